/**
 * Secrets of fewer estimated bits are weak. `openssl rand -hex 32` makes 256. The 128 of `-hex 16` mostly pass: some get lost in
 * the estimate.
 */
export const leastSecretBits = 112;

/** Characters that are looked at; further ones add nothing to a secret that is strong by then. */
const mostCharacters = 256;

/** Rows that people type: of a keyboard, of the alphabet, of digits. */
const rows = [
  'qwertyuiop',
  'asdfghjkl',
  'zxcvbnm',
  'abcdefghijklmnopqrstuvwxyz',
  '01234567890',
  '0123456789abcdef',
];
const bothWays = rows.flatMap((row) => [row, [...row].toReversed().join('')]);
/** Which row, where it begins, and which way. */
const rowBits = 8;

/** Pairs of letters that make up most of English text, and a seventh of random letters. */
const commonPairs = new Set(
  (
    'th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io le ve co me de hi ri ro ic ne ea ' +
    'ra ce li ch ll be ma si om ur ca el ta la ns di fo ho pe ec pr no ct us ac ot il tr ly nc et ut ss so rs un lo wa ge ie wh ' +
    'ee wi em ad ol rt po we na ul ni ts mo ow pa im mi ai sh cr ke ey am da'
  ).split(' '),
);
/** Share of common pairs from which a run of letters counts as words. */
const pairsOfWords = 0.4;
/** English text has between 0.6 and 1.3 bits a letter (Shannon, Prediction and Entropy of Printed English, 1951), names and jargon some more. */
const bitsOfWordLetter = 1.5;

/**
 * Estimates the bits of a secret: how many guesses, as a power of two, somebody needs who knows how people make up secrets. It is
 * the cheapest way to write the text down as
 *
 * - a single character, which costs the logarithm of the number of different characters that the text has, or of the alphabet of
 *   hex where it has most of that;
 * - a letter of a run that looks like words, by its pairs of letters, which costs as much as a letter of English text;
 * - a separator that was used before, which costs one bit;
 * - a repetition of an earlier part, which costs the place and the length;
 * - a part of a row of the keyboard, the alphabet or the digits.
 *
 * It cannot know that a text was published: a random-looking example from a page of documentation passes. Words in other
 * languages, and with digits in place of letters, are taken for more random than they are. Random text is taken for
 * somewhat less random than it is, because a short text does not have all the characters that it could have.
 */
export function estimateBits(secret: string): number {
  const text = secret.slice(0, mostCharacters).toLowerCase();
  const inWords = lettersInWords(secret.slice(0, mostCharacters));
  const bitsOfCharacter = Math.log2(alphabetOf(secret.slice(0, mostCharacters)));
  const cheapest = [0];
  for (let end = 1; end <= text.length; end++) {
    const character = text[end - 1] ?? '';
    const seen = text.indexOf(character) < end - 1;
    const single = inWords[end - 1]
      ? Math.min(bitsOfWordLetter, bitsOfCharacter)
      : seen && /[^a-z0-9]/.test(character)
        ? Math.min(1, bitsOfCharacter)
        : bitsOfCharacter;
    let bits = (cheapest[end - 1] ?? 0) + single;
    for (const begin of beginnings(end, 4)) {
      if (!bothWays.some((row) => row.includes(text.slice(begin, end)))) break;
      bits = Math.min(bits, (cheapest[begin] ?? 0) + rowBits);
    }
    for (const begin of beginnings(end, 3)) {
      if (text.indexOf(text.slice(begin, end)) === begin) break;
      bits = Math.min(bits, (cheapest[begin] ?? 0) + Math.log2(begin) + Math.log2(text.length));
    }
    cheapest.push(bits);
  }
  return cheapest[text.length] ?? 0;
}

/** Where a part that ends here may begin, if it has so many characters at least, the shortest part first. */
function beginnings(end: number, least: number): number[] {
  return Array.from({ length: Math.max(0, end - least + 1) }, (_none, at) => end - least - at);
}

function alphabetOf(text: string): number {
  const { size } = new Set(text);
  return /^[0-9a-f]*$/i.test(text) && size >= 11 ? 16 : size;
}

/** Whether each character is a letter of a run that looks like words. Runs are cut where the case says so: `mySecretKey`. */
function lettersInWords(text: string): boolean[] {
  const found = Array.from(text, () => false);
  for (const { 0: run, index } of text.matchAll(/[A-Z]?[a-z]{3,}|[A-Z]{4,}/g)) {
    const letters = run.toLowerCase();
    let common = 0;
    for (let at = 1; at < letters.length; at++) if (commonPairs.has(letters.slice(at - 1, at + 1))) common++;
    if (common / (letters.length - 1) >= pairsOfWords) found.fill(true, index, index + run.length);
  }
  return found;
}
