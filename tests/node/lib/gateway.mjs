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

/** What a model's upstream has no words for, as `MODEL:WHAT` pairs; such claims are passed over by name. */
const lacks = (process.env.FOREBAY_LACKS ?? '').split(',');

/** A test's options: passed over where the model named in `where` lacks `what`. */
export function needs(where, what) {
  const lack = lacks.find((pair) => pair && where.includes(pair.split(':')[0]) && pair.endsWith(`:${what}`));
  return { skip: lack ? `${lack.replace(':', ' has no ')}` : false };
}

/** One transparent pixel. */
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
