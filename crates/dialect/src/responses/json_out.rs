//! Appends members and items to JSON that is being written.

use crate::json::write_json_string;

/// A comma, where something stands before in the object or array that is open.
pub(super) fn separate(out: &mut String) {
    if !out.ends_with(['{', '[']) {
        out.push(',');
    }
}

/// A member's name; its value follows.
pub(super) fn name(out: &mut String, name: &str) {
    separate(out);
    write_json_string(name, out);
    out.push(':');
}

/// A member whose value is JSON already.
pub(super) fn raw(out: &mut String, key: &str, json: &str) {
    name(out, key);
    out.push_str(json);
}

/// A member whose value is a string.
pub(super) fn text(out: &mut String, key: &str, value: &str) {
    name(out, key);
    write_json_string(value, out);
}

/// A member whose value is a whole number.
pub(super) fn number(out: &mut String, key: &str, value: u64) {
    name(out, key);
    write_number(out, value);
}

/// A whole number, without an allocation of its own.
pub(super) fn write_number(out: &mut String, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

/// A comma, where something stands already in an array's inside that is written by itself.
pub(super) fn separate_in(inside: &mut String) {
    if !inside.is_empty() {
        inside.push(',');
    }
}
