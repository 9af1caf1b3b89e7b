/**
 * The form of virtual keys: `pk-`, 36 random characters and 6 that check them. A mistyped key, or one of another service, is
 * told from a key without asking anybody. Only the hash of a key is kept: it is random enough that a fast one is safe.
 */
import { hash, randomBytes } from 'node:crypto';

const PREFIX = 'pk-';
const LETTERS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 214 bits. */
const RANDOM_LENGTH = 36;
const CHECK_LENGTH = 6;
/** A byte below is a letter's number without any letter being likelier. */
const FAIR = 256 - (256 % LETTERS.length);
const HINT_LENGTH = PREFIX.length + 5;
const FORM = new RegExp(`^${PREFIX}[0-9A-Za-z]{${RANDOM_LENGTH + CHECK_LENGTH}}$`);

/** A fresh key, to be shown once. */
export function newKey(): string {
  const body = PREFIX + randomLetters();
  return body + checkOf(body);
}

/** Has it the form and the checksum of a key? Says nothing of whether there is such a key. */
export function looksLikeKey(text: string): boolean {
  return FORM.test(text) && text.endsWith(checkOf(text.slice(0, -CHECK_LENGTH)));
}

/** SHA-256 of the whole key, lower-case hex: what is kept of it, and found by it. */
export function hashOf(key: string): string {
  return hash('sha256', key, 'hex');
}

/** The beginning of a key, for people who look for it: too little to guess the rest by. */
export function hintOf(key: string): string {
  return `${key.slice(0, HINT_LENGTH)}…`;
}

function randomLetters(): string {
  let letters = '';
  while (letters.length < RANDOM_LENGTH) {
    for (const byte of randomBytes(RANDOM_LENGTH))
      if (byte < FAIR && letters.length < RANDOM_LENGTH) letters += LETTERS[byte % LETTERS.length];
  }
  return letters;
}

/** The first 35 bits or so of SHA-256 over prefix and letters. */
function checkOf(body: string): string {
  let number = hash('sha256', body, 'buffer').readUIntBE(0, 6);
  let check = '';
  for (let place = 0; place < CHECK_LENGTH; place += 1) {
    check += LETTERS[number % LETTERS.length];
    number = Math.floor(number / LETTERS.length);
  }
  return check;
}
