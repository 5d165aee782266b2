//! The names of characters in HTML, of those that texts are made of: letters, digits, ASCII, and what does
//! not show. From HTML's own table (<https://html.spec.whatwg.org/entities.json>).

/// The character that a text names with `&` before it, and how many bytes that takes with the `&`. The `;`
/// may be missing behind some names.
pub(crate) fn named(bytes: &[u8]) -> Option<(char, usize)> {
    let rest = bytes.get(1..)?;
    let letters = rest.iter().take(LONGEST + 1);
    let len = letters.take_while(|b| b.is_ascii_alphanumeric()).count();
    let known = |len: usize| {
        let name = std::str::from_utf8(rest.get(..len)?).ok()?;
        let at = NAMES.binary_search_by_key(&name, |(known, _)| known).ok()?;
        Some((name, NAMES.get(at)?.1))
    };
    if rest.get(len) == Some(&b';')
        && let Some((name, c)) = known(len)
    {
        return Some((c, name.len() + 2));
    }
    (2..=len.min(LONGEST_OPEN)).rev().find_map(|len| {
        let (name, c) = known(len)?;
        OPEN.binary_search(&name).ok()?;
        Some((c, name.len() + 1))
    })
}

/// The longest name, and the longest that needs no `;`.
pub(crate) const LONGEST: usize = 22;
const LONGEST_OPEN: usize = 6;

/// Every name, in the order of their bytes.
#[rustfmt::skip]
static NAMES: [(&str, char); 684] = [
    ("AElig", '\u{c6}'), ("AMP", '&'), ("Aacute", '\u{c1}'), ("Abreve", '\u{102}'), ("Acirc", '\u{c2}'),
    ("Acy", '\u{410}'), ("Afr", '\u{1d504}'), ("Agrave", '\u{c0}'), ("Alpha", '\u{391}'),
    ("Amacr", '\u{100}'), ("Aogon", '\u{104}'), ("Aopf", '\u{1d538}'), ("ApplyFunction", '\u{2061}'),
    ("Aring", '\u{c5}'), ("Ascr", '\u{1d49c}'), ("Atilde", '\u{c3}'), ("Auml", '\u{c4}'),
    ("Bcy", '\u{411}'), ("Bernoullis", '\u{212c}'), ("Beta", '\u{392}'), ("Bfr", '\u{1d505}'),
    ("Bopf", '\u{1d539}'), ("Breve", '\u{2d8}'), ("Bscr", '\u{212c}'), ("CHcy", '\u{427}'),
    ("Cacute", '\u{106}'), ("CapitalDifferentialD", '\u{2145}'), ("Cayleys", '\u{212d}'),
    ("Ccaron", '\u{10c}'), ("Ccedil", '\u{c7}'), ("Ccirc", '\u{108}'), ("Cdot", '\u{10a}'),
    ("Cedilla", '\u{b8}'), ("Cfr", '\u{212d}'), ("Chi", '\u{3a7}'), ("Colone", '\u{2a74}'),
    ("Copf", '\u{2102}'), ("Cscr", '\u{1d49e}'), ("DD", '\u{2145}'), ("DJcy", '\u{402}'),
    ("DScy", '\u{405}'), ("DZcy", '\u{40f}'), ("Dcaron", '\u{10e}'), ("Dcy", '\u{414}'),
    ("Delta", '\u{394}'), ("Dfr", '\u{1d507}'), ("DiacriticalAcute", '\u{b4}'),
    ("DiacriticalDot", '\u{2d9}'), ("DiacriticalDoubleAcute", '\u{2dd}'), ("DiacriticalGrave", '`'),
    ("DiacriticalTilde", '\u{2dc}'), ("DifferentialD", '\u{2146}'), ("Dopf", '\u{1d53b}'),
    ("Dot", '\u{a8}'), ("DotDot", '\u{20dc}'), ("DoubleDot", '\u{a8}'), ("DownBreve", '\u{311}'),
    ("Dscr", '\u{1d49f}'), ("Dstrok", '\u{110}'), ("ENG", '\u{14a}'), ("ETH", '\u{d0}'),
    ("Eacute", '\u{c9}'), ("Ecaron", '\u{11a}'), ("Ecirc", '\u{ca}'), ("Ecy", '\u{42d}'),
    ("Edot", '\u{116}'), ("Efr", '\u{1d508}'), ("Egrave", '\u{c8}'), ("Emacr", '\u{112}'),
    ("Eogon", '\u{118}'), ("Eopf", '\u{1d53c}'), ("Epsilon", '\u{395}'), ("Equal", '\u{2a75}'),
    ("Escr", '\u{2130}'), ("Eta", '\u{397}'), ("Euml", '\u{cb}'), ("ExponentialE", '\u{2147}'),
    ("Fcy", '\u{424}'), ("Ffr", '\u{1d509}'), ("Fopf", '\u{1d53d}'), ("Fouriertrf", '\u{2131}'),
    ("Fscr", '\u{2131}'), ("GJcy", '\u{403}'), ("GT", '>'), ("Gamma", '\u{393}'), ("Gammad", '\u{3dc}'),
    ("Gbreve", '\u{11e}'), ("Gcedil", '\u{122}'), ("Gcirc", '\u{11c}'), ("Gcy", '\u{413}'),
    ("Gdot", '\u{120}'), ("Gfr", '\u{1d50a}'), ("Gopf", '\u{1d53e}'), ("Gscr", '\u{1d4a2}'),
    ("HARDcy", '\u{42a}'), ("Hacek", '\u{2c7}'), ("Hat", '^'), ("Hcirc", '\u{124}'), ("Hfr", '\u{210c}'),
    ("HilbertSpace", '\u{210b}'), ("Hopf", '\u{210d}'), ("Hscr", '\u{210b}'), ("Hstrok", '\u{126}'),
    ("IEcy", '\u{415}'), ("IJlig", '\u{132}'), ("IOcy", '\u{401}'), ("Iacute", '\u{cd}'),
    ("Icirc", '\u{ce}'), ("Icy", '\u{418}'), ("Idot", '\u{130}'), ("Ifr", '\u{2111}'), ("Igrave", '\u{cc}'),
    ("Im", '\u{2111}'), ("Imacr", '\u{12a}'), ("ImaginaryI", '\u{2148}'), ("InvisibleComma", '\u{2063}'),
    ("InvisibleTimes", '\u{2062}'), ("Iogon", '\u{12e}'), ("Iopf", '\u{1d540}'), ("Iota", '\u{399}'),
    ("Iscr", '\u{2110}'), ("Itilde", '\u{128}'), ("Iukcy", '\u{406}'), ("Iuml", '\u{cf}'),
    ("Jcirc", '\u{134}'), ("Jcy", '\u{419}'), ("Jfr", '\u{1d50d}'), ("Jopf", '\u{1d541}'),
    ("Jscr", '\u{1d4a5}'), ("Jsercy", '\u{408}'), ("Jukcy", '\u{404}'), ("KHcy", '\u{425}'),
    ("KJcy", '\u{40c}'), ("Kappa", '\u{39a}'), ("Kcedil", '\u{136}'), ("Kcy", '\u{41a}'),
    ("Kfr", '\u{1d50e}'), ("Kopf", '\u{1d542}'), ("Kscr", '\u{1d4a6}'), ("LJcy", '\u{409}'), ("LT", '<'),
    ("Lacute", '\u{139}'), ("Lambda", '\u{39b}'), ("Laplacetrf", '\u{2112}'), ("Lcaron", '\u{13d}'),
    ("Lcedil", '\u{13b}'), ("Lcy", '\u{41b}'), ("Lfr", '\u{1d50f}'), ("Lopf", '\u{1d543}'),
    ("Lscr", '\u{2112}'), ("Lstrok", '\u{141}'), ("Mcy", '\u{41c}'), ("MediumSpace", '\u{205f}'),
    ("Mellintrf", '\u{2133}'), ("Mfr", '\u{1d510}'), ("Mopf", '\u{1d544}'), ("Mscr", '\u{2133}'),
    ("Mu", '\u{39c}'), ("NJcy", '\u{40a}'), ("Nacute", '\u{143}'), ("Ncaron", '\u{147}'),
    ("Ncedil", '\u{145}'), ("Ncy", '\u{41d}'), ("NegativeMediumSpace", '\u{200b}'),
    ("NegativeThickSpace", '\u{200b}'), ("NegativeThinSpace", '\u{200b}'),
    ("NegativeVeryThinSpace", '\u{200b}'), ("NewLine", '\n'), ("Nfr", '\u{1d511}'), ("NoBreak", '\u{2060}'),
    ("NonBreakingSpace", '\u{a0}'), ("Nopf", '\u{2115}'), ("Nscr", '\u{1d4a9}'), ("Ntilde", '\u{d1}'),
    ("Nu", '\u{39d}'), ("OElig", '\u{152}'), ("Oacute", '\u{d3}'), ("Ocirc", '\u{d4}'), ("Ocy", '\u{41e}'),
    ("Odblac", '\u{150}'), ("Ofr", '\u{1d512}'), ("Ograve", '\u{d2}'), ("Omacr", '\u{14c}'),
    ("Omega", '\u{3a9}'), ("Omicron", '\u{39f}'), ("Oopf", '\u{1d546}'), ("Oscr", '\u{1d4aa}'),
    ("Oslash", '\u{d8}'), ("Otilde", '\u{d5}'), ("Ouml", '\u{d6}'), ("OverBar", '\u{203e}'),
    ("Pcy", '\u{41f}'), ("Pfr", '\u{1d513}'), ("Phi", '\u{3a6}'), ("Pi", '\u{3a0}'),
    ("Poincareplane", '\u{210c}'), ("Popf", '\u{2119}'), ("Pscr", '\u{1d4ab}'), ("Psi", '\u{3a8}'),
    ("QUOT", '"'), ("Qfr", '\u{1d514}'), ("Qopf", '\u{211a}'), ("Qscr", '\u{1d4ac}'), ("Racute", '\u{154}'),
    ("Rcaron", '\u{158}'), ("Rcedil", '\u{156}'), ("Rcy", '\u{420}'), ("Re", '\u{211c}'),
    ("Rfr", '\u{211c}'), ("Rho", '\u{3a1}'), ("Ropf", '\u{211d}'), ("Rscr", '\u{211b}'),
    ("SHCHcy", '\u{429}'), ("SHcy", '\u{428}'), ("SOFTcy", '\u{42c}'), ("Sacute", '\u{15a}'),
    ("Scaron", '\u{160}'), ("Scedil", '\u{15e}'), ("Scirc", '\u{15c}'), ("Scy", '\u{421}'),
    ("Sfr", '\u{1d516}'), ("Sigma", '\u{3a3}'), ("Sopf", '\u{1d54a}'), ("Sscr", '\u{1d4ae}'),
    ("THORN", '\u{de}'), ("TRADE", '\u{2122}'), ("TSHcy", '\u{40b}'), ("TScy", '\u{426}'), ("Tab", '\t'),
    ("Tau", '\u{3a4}'), ("Tcaron", '\u{164}'), ("Tcedil", '\u{162}'), ("Tcy", '\u{422}'),
    ("Tfr", '\u{1d517}'), ("Theta", '\u{398}'), ("ThinSpace", '\u{2009}'), ("Topf", '\u{1d54b}'),
    ("TripleDot", '\u{20db}'), ("Tscr", '\u{1d4af}'), ("Tstrok", '\u{166}'), ("Uacute", '\u{da}'),
    ("Ubrcy", '\u{40e}'), ("Ubreve", '\u{16c}'), ("Ucirc", '\u{db}'), ("Ucy", '\u{423}'),
    ("Udblac", '\u{170}'), ("Ufr", '\u{1d518}'), ("Ugrave", '\u{d9}'), ("Umacr", '\u{16a}'),
    ("UnderBar", '_'), ("Uogon", '\u{172}'), ("Uopf", '\u{1d54c}'), ("Upsi", '\u{3d2}'),
    ("Upsilon", '\u{3a5}'), ("Uring", '\u{16e}'), ("Uscr", '\u{1d4b0}'), ("Utilde", '\u{168}'),
    ("Uuml", '\u{dc}'), ("Vcy", '\u{412}'), ("VerticalLine", '|'), ("VeryThinSpace", '\u{200a}'),
    ("Vfr", '\u{1d519}'), ("Vopf", '\u{1d54d}'), ("Vscr", '\u{1d4b1}'), ("Wcirc", '\u{174}'),
    ("Wfr", '\u{1d51a}'), ("Wopf", '\u{1d54e}'), ("Wscr", '\u{1d4b2}'), ("Xfr", '\u{1d51b}'),
    ("Xi", '\u{39e}'), ("Xopf", '\u{1d54f}'), ("Xscr", '\u{1d4b3}'), ("YAcy", '\u{42f}'),
    ("YIcy", '\u{407}'), ("YUcy", '\u{42e}'), ("Yacute", '\u{dd}'), ("Ycirc", '\u{176}'),
    ("Ycy", '\u{42b}'), ("Yfr", '\u{1d51c}'), ("Yopf", '\u{1d550}'), ("Yscr", '\u{1d4b4}'),
    ("Yuml", '\u{178}'), ("ZHcy", '\u{416}'), ("Zacute", '\u{179}'), ("Zcaron", '\u{17d}'),
    ("Zcy", '\u{417}'), ("Zdot", '\u{17b}'), ("ZeroWidthSpace", '\u{200b}'), ("Zeta", '\u{396}'),
    ("Zfr", '\u{2128}'), ("Zopf", '\u{2124}'), ("Zscr", '\u{1d4b5}'), ("aacute", '\u{e1}'),
    ("abreve", '\u{103}'), ("acirc", '\u{e2}'), ("acute", '\u{b4}'), ("acy", '\u{430}'),
    ("aelig", '\u{e6}'), ("af", '\u{2061}'), ("afr", '\u{1d51e}'), ("agrave", '\u{e0}'),
    ("alefsym", '\u{2135}'), ("aleph", '\u{2135}'), ("alpha", '\u{3b1}'), ("amacr", '\u{101}'),
    ("amp", '&'), ("angst", '\u{c5}'), ("aogon", '\u{105}'), ("aopf", '\u{1d552}'), ("apos", '\''),
    ("aring", '\u{e5}'), ("ascr", '\u{1d4b6}'), ("ast", '*'), ("atilde", '\u{e3}'), ("auml", '\u{e4}'),
    ("bcy", '\u{431}'), ("bernou", '\u{212c}'), ("beta", '\u{3b2}'), ("beth", '\u{2136}'),
    ("bfr", '\u{1d51f}'), ("bopf", '\u{1d553}'), ("breve", '\u{2d8}'), ("bscr", '\u{1d4b7}'),
    ("bsol", '\\'), ("cacute", '\u{107}'), ("caron", '\u{2c7}'), ("ccaron", '\u{10d}'),
    ("ccedil", '\u{e7}'), ("ccirc", '\u{109}'), ("cdot", '\u{10b}'), ("cedil", '\u{b8}'),
    ("cfr", '\u{1d520}'), ("chcy", '\u{447}'), ("chi", '\u{3c7}'), ("circ", '\u{2c6}'),
    ("circledS", '\u{24c8}'), ("colon", ':'), ("comma", ','), ("commat", '@'), ("complexes", '\u{2102}'),
    ("copf", '\u{1d554}'), ("cscr", '\u{1d4b8}'), ("daleth", '\u{2138}'), ("dblac", '\u{2dd}'),
    ("dcaron", '\u{10f}'), ("dcy", '\u{434}'), ("dd", '\u{2146}'), ("delta", '\u{3b4}'),
    ("dfr", '\u{1d521}'), ("die", '\u{a8}'), ("digamma", '\u{3dd}'), ("djcy", '\u{452}'), ("dollar", '$'),
    ("dopf", '\u{1d555}'), ("dot", '\u{2d9}'), ("dscr", '\u{1d4b9}'), ("dscy", '\u{455}'),
    ("dstrok", '\u{111}'), ("dzcy", '\u{45f}'), ("eacute", '\u{e9}'), ("ecaron", '\u{11b}'),
    ("ecirc", '\u{ea}'), ("ecy", '\u{44d}'), ("edot", '\u{117}'), ("ee", '\u{2147}'), ("efr", '\u{1d522}'),
    ("egrave", '\u{e8}'), ("ell", '\u{2113}'), ("emacr", '\u{113}'), ("emsp", '\u{2003}'),
    ("emsp13", '\u{2004}'), ("emsp14", '\u{2005}'), ("eng", '\u{14b}'), ("ensp", '\u{2002}'),
    ("eogon", '\u{119}'), ("eopf", '\u{1d556}'), ("epsi", '\u{3b5}'), ("epsilon", '\u{3b5}'),
    ("epsiv", '\u{3f5}'), ("equals", '='), ("escr", '\u{212f}'), ("eta", '\u{3b7}'), ("eth", '\u{f0}'),
    ("euml", '\u{eb}'), ("excl", '!'), ("expectation", '\u{2130}'), ("exponentiale", '\u{2147}'),
    ("fcy", '\u{444}'), ("ffilig", '\u{fb03}'), ("fflig", '\u{fb00}'), ("ffllig", '\u{fb04}'),
    ("ffr", '\u{1d523}'), ("filig", '\u{fb01}'), ("fllig", '\u{fb02}'), ("fnof", '\u{192}'),
    ("fopf", '\u{1d557}'), ("fscr", '\u{1d4bb}'), ("gacute", '\u{1f5}'), ("gamma", '\u{3b3}'),
    ("gammad", '\u{3dd}'), ("gbreve", '\u{11f}'), ("gcirc", '\u{11d}'), ("gcy", '\u{433}'),
    ("gdot", '\u{121}'), ("gfr", '\u{1d524}'), ("gimel", '\u{2137}'), ("gjcy", '\u{453}'),
    ("gopf", '\u{1d558}'), ("grave", '`'), ("gscr", '\u{210a}'), ("gt", '>'), ("hairsp", '\u{200a}'),
    ("hamilt", '\u{210b}'), ("hardcy", '\u{44a}'), ("hbar", '\u{210f}'), ("hcirc", '\u{125}'),
    ("hellip", '\u{2026}'), ("hfr", '\u{1d525}'), ("hopf", '\u{1d559}'), ("hscr", '\u{1d4bd}'),
    ("hslash", '\u{210f}'), ("hstrok", '\u{127}'), ("iacute", '\u{ed}'), ("ic", '\u{2063}'),
    ("icirc", '\u{ee}'), ("icy", '\u{438}'), ("iecy", '\u{435}'), ("ifr", '\u{1d526}'),
    ("igrave", '\u{ec}'), ("ii", '\u{2148}'), ("ijlig", '\u{133}'), ("imacr", '\u{12b}'),
    ("image", '\u{2111}'), ("imagline", '\u{2110}'), ("imagpart", '\u{2111}'), ("imath", '\u{131}'),
    ("imped", '\u{1b5}'), ("incare", '\u{2105}'), ("inodot", '\u{131}'), ("integers", '\u{2124}'),
    ("iocy", '\u{451}'), ("iogon", '\u{12f}'), ("iopf", '\u{1d55a}'), ("iota", '\u{3b9}'),
    ("iscr", '\u{1d4be}'), ("it", '\u{2062}'), ("itilde", '\u{129}'), ("iukcy", '\u{456}'),
    ("iuml", '\u{ef}'), ("jcirc", '\u{135}'), ("jcy", '\u{439}'), ("jfr", '\u{1d527}'),
    ("jmath", '\u{237}'), ("jopf", '\u{1d55b}'), ("jscr", '\u{1d4bf}'), ("jsercy", '\u{458}'),
    ("jukcy", '\u{454}'), ("kappa", '\u{3ba}'), ("kappav", '\u{3f0}'), ("kcedil", '\u{137}'),
    ("kcy", '\u{43a}'), ("kfr", '\u{1d528}'), ("kgreen", '\u{138}'), ("khcy", '\u{445}'),
    ("kjcy", '\u{45c}'), ("kopf", '\u{1d55c}'), ("kscr", '\u{1d4c0}'), ("lacute", '\u{13a}'),
    ("lagran", '\u{2112}'), ("lambda", '\u{3bb}'), ("lbrace", '{'), ("lbrack", '['), ("lcaron", '\u{13e}'),
    ("lcedil", '\u{13c}'), ("lcub", '{'), ("lcy", '\u{43b}'), ("lfr", '\u{1d529}'), ("ljcy", '\u{459}'),
    ("lopf", '\u{1d55d}'), ("lowbar", '_'), ("lpar", '('), ("lrm", '\u{200e}'), ("lscr", '\u{1d4c1}'),
    ("lsqb", '['), ("lstrok", '\u{142}'), ("lt", '<'), ("macr", '\u{af}'), ("mcy", '\u{43c}'),
    ("mfr", '\u{1d52a}'), ("micro", '\u{b5}'), ("midast", '*'), ("mldr", '\u{2026}'), ("mopf", '\u{1d55e}'),
    ("mscr", '\u{1d4c2}'), ("mu", '\u{3bc}'), ("nacute", '\u{144}'), ("napos", '\u{149}'),
    ("naturals", '\u{2115}'), ("nbsp", '\u{a0}'), ("ncaron", '\u{148}'), ("ncedil", '\u{146}'),
    ("ncy", '\u{43d}'), ("nfr", '\u{1d52b}'), ("njcy", '\u{45a}'), ("nldr", '\u{2025}'),
    ("nopf", '\u{1d55f}'), ("nscr", '\u{1d4c3}'), ("ntilde", '\u{f1}'), ("nu", '\u{3bd}'), ("num", '#'),
    ("numero", '\u{2116}'), ("numsp", '\u{2007}'), ("oS", '\u{24c8}'), ("oacute", '\u{f3}'),
    ("ocirc", '\u{f4}'), ("ocy", '\u{43e}'), ("odblac", '\u{151}'), ("oelig", '\u{153}'),
    ("ofr", '\u{1d52c}'), ("ogon", '\u{2db}'), ("ograve", '\u{f2}'), ("ohm", '\u{3a9}'),
    ("oline", '\u{203e}'), ("omacr", '\u{14d}'), ("omega", '\u{3c9}'), ("omicron", '\u{3bf}'),
    ("oopf", '\u{1d560}'), ("order", '\u{2134}'), ("orderof", '\u{2134}'), ("ordf", '\u{aa}'),
    ("ordm", '\u{ba}'), ("oscr", '\u{2134}'), ("oslash", '\u{f8}'), ("otilde", '\u{f5}'),
    ("ouml", '\u{f6}'), ("pcy", '\u{43f}'), ("percnt", '%'), ("period", '.'), ("pfr", '\u{1d52d}'),
    ("phi", '\u{3c6}'), ("phiv", '\u{3d5}'), ("phmmat", '\u{2133}'), ("pi", '\u{3c0}'), ("piv", '\u{3d6}'),
    ("planck", '\u{210f}'), ("planckh", '\u{210e}'), ("plankv", '\u{210f}'), ("plus", '+'),
    ("popf", '\u{1d561}'), ("primes", '\u{2119}'), ("pscr", '\u{1d4c5}'), ("psi", '\u{3c8}'),
    ("puncsp", '\u{2008}'), ("qfr", '\u{1d52e}'), ("qopf", '\u{1d562}'), ("qscr", '\u{1d4c6}'),
    ("quaternions", '\u{210d}'), ("quest", '?'), ("quot", '"'), ("racute", '\u{155}'),
    ("rationals", '\u{211a}'), ("rbrace", '}'), ("rbrack", ']'), ("rcaron", '\u{159}'),
    ("rcedil", '\u{157}'), ("rcub", '}'), ("rcy", '\u{440}'), ("real", '\u{211c}'), ("realine", '\u{211b}'),
    ("realpart", '\u{211c}'), ("reals", '\u{211d}'), ("rfr", '\u{1d52f}'), ("rho", '\u{3c1}'),
    ("rhov", '\u{3f1}'), ("ring", '\u{2da}'), ("rlm", '\u{200f}'), ("ropf", '\u{1d563}'), ("rpar", ')'),
    ("rscr", '\u{1d4c7}'), ("rsqb", ']'), ("sacute", '\u{15b}'), ("scaron", '\u{161}'),
    ("scedil", '\u{15f}'), ("scirc", '\u{15d}'), ("scy", '\u{441}'), ("semi", ';'), ("sfr", '\u{1d530}'),
    ("shchcy", '\u{449}'), ("shcy", '\u{448}'), ("shy", '\u{ad}'), ("sigma", '\u{3c3}'),
    ("sigmaf", '\u{3c2}'), ("sigmav", '\u{3c2}'), ("softcy", '\u{44c}'), ("sol", '/'),
    ("sopf", '\u{1d564}'), ("sscr", '\u{1d4c8}'), ("straightepsilon", '\u{3f5}'),
    ("straightphi", '\u{3d5}'), ("strns", '\u{af}'), ("sup1", '\u{b9}'), ("sup2", '\u{b2}'),
    ("sup3", '\u{b3}'), ("szlig", '\u{df}'), ("tau", '\u{3c4}'), ("tcaron", '\u{165}'),
    ("tcedil", '\u{163}'), ("tcy", '\u{442}'), ("tdot", '\u{20db}'), ("tfr", '\u{1d531}'),
    ("theta", '\u{3b8}'), ("thetasym", '\u{3d1}'), ("thetav", '\u{3d1}'), ("thinsp", '\u{2009}'),
    ("thorn", '\u{fe}'), ("tilde", '\u{2dc}'), ("topf", '\u{1d565}'), ("trade", '\u{2122}'),
    ("tscr", '\u{1d4c9}'), ("tscy", '\u{446}'), ("tshcy", '\u{45b}'), ("tstrok", '\u{167}'),
    ("uacute", '\u{fa}'), ("ubrcy", '\u{45e}'), ("ubreve", '\u{16d}'), ("ucirc", '\u{fb}'),
    ("ucy", '\u{443}'), ("udblac", '\u{171}'), ("ufr", '\u{1d532}'), ("ugrave", '\u{f9}'),
    ("umacr", '\u{16b}'), ("uml", '\u{a8}'), ("uogon", '\u{173}'), ("uopf", '\u{1d566}'),
    ("upsi", '\u{3c5}'), ("upsih", '\u{3d2}'), ("upsilon", '\u{3c5}'), ("uring", '\u{16f}'),
    ("uscr", '\u{1d4ca}'), ("utilde", '\u{169}'), ("uuml", '\u{fc}'), ("varepsilon", '\u{3f5}'),
    ("varkappa", '\u{3f0}'), ("varphi", '\u{3d5}'), ("varpi", '\u{3d6}'), ("varrho", '\u{3f1}'),
    ("varsigma", '\u{3c2}'), ("vartheta", '\u{3d1}'), ("vcy", '\u{432}'), ("verbar", '|'), ("vert", '|'),
    ("vfr", '\u{1d533}'), ("vopf", '\u{1d567}'), ("vscr", '\u{1d4cb}'), ("wcirc", '\u{175}'),
    ("wfr", '\u{1d534}'), ("wopf", '\u{1d568}'), ("wscr", '\u{1d4cc}'), ("xfr", '\u{1d535}'),
    ("xi", '\u{3be}'), ("xopf", '\u{1d569}'), ("xscr", '\u{1d4cd}'), ("yacute", '\u{fd}'),
    ("yacy", '\u{44f}'), ("ycirc", '\u{177}'), ("ycy", '\u{44b}'), ("yfr", '\u{1d536}'),
    ("yicy", '\u{457}'), ("yopf", '\u{1d56a}'), ("yscr", '\u{1d4ce}'), ("yucy", '\u{44e}'),
    ("yuml", '\u{ff}'), ("zacute", '\u{17a}'), ("zcaron", '\u{17e}'), ("zcy", '\u{437}'),
    ("zdot", '\u{17c}'), ("zeetrf", '\u{2128}'), ("zeta", '\u{3b6}'), ("zfr", '\u{1d537}'),
    ("zhcy", '\u{436}'), ("zopf", '\u{1d56b}'), ("zscr", '\u{1d4cf}'), ("zwj", '\u{200d}'),
    ("zwnj", '\u{200c}'),
];

/// Those behind which the `;` may be missing.
#[rustfmt::skip]
static OPEN: [&str; 82] = [
    "AElig", "AMP", "Aacute", "Acirc", "Agrave", "Aring", "Atilde", "Auml", "Ccedil", "ETH", "Eacute",
    "Ecirc", "Egrave", "Euml", "GT", "Iacute", "Icirc", "Igrave", "Iuml", "LT", "Ntilde", "Oacute", "Ocirc",
    "Ograve", "Oslash", "Otilde", "Ouml", "QUOT", "THORN", "Uacute", "Ucirc", "Ugrave", "Uuml", "Yacute",
    "aacute", "acirc", "acute", "aelig", "agrave", "amp", "aring", "atilde", "auml", "ccedil", "cedil",
    "eacute", "ecirc", "egrave", "eth", "euml", "gt", "iacute", "icirc", "igrave", "iuml", "lt", "macr",
    "micro", "nbsp", "ntilde", "oacute", "ocirc", "ograve", "ordf", "ordm", "oslash", "otilde", "ouml",
    "quot", "shy", "sup1", "sup2", "sup3", "szlig", "thorn", "uacute", "ucirc", "ugrave", "uml", "uuml",
    "yacute", "yuml",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whole_and_in_their_order() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0) && OPEN.is_sorted());
        for (name, c) in NAMES {
            let closed = format!("&{name};x");
            assert_eq!(
                named(closed.as_bytes()),
                Some((c, name.len() + 2)),
                "{name}"
            );
            assert!(name.len() <= LONGEST);
        }
        for name in OPEN {
            let open = format!("&{name}x");
            let found = named(open.as_bytes());
            assert_eq!(found.map(|(_, len)| len), Some(name.len() + 1), "{name}");
        }
        for text in ["&", "&;", "&a", "&nothing;", "&-", "&it", "&Zero Width;"] {
            assert_eq!(named(text.as_bytes()), None, "{text}");
        }
    }
}
