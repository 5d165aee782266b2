// Where the clients are pointed: a URL, a key and models, by the environment of the process that runs these tests.

function must(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; tests/python starts these tests and sets it`);
  return value;
}

export const url = must('FOREBAY_URL');
export const key = must('FOREBAY_KEY');
/** Each claim runs before each of these models. */
export const models = must('FOREBAY_MODELS').split(',');

/** One transparent pixel. */
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
