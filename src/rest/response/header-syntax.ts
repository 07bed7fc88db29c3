const headerName = /^[!#$%&'*+.^_`|~\w-]+$/;
// Line ends would begin another header.
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0008\u000a-\u001f\u007f]/;
// oxlint-disable-next-line no-control-regex
const beyondAscii = /[^\u0000-\u007f]/;

/** Whether a name and value that a function made up can go out as a header. The value may hold any text on one line. */
export function isHeader(name: string, value: string): boolean {
  return headerName.test(name) && !controls.test(value);
}

/**
 * A header's value as node takes it, a character for a byte: UTF-8, as PostgREST sends names that are not ASCII. What can
 * stand in no header is percent-encoded.
 */
export function headerBytes(value: string): string {
  const safe = controls.test(value)
    ? value.replaceAll(new RegExp(controls, 'g'), (character) => encodeURIComponent(character))
    : value;
  return beyondAscii.test(safe) ? Buffer.from(safe, 'utf8').toString('latin1') : safe;
}

/** A status that an answer may have: 100 to 199 would not be the end of it. */
export function isFinalStatus(status: unknown): status is number {
  return Number.isInteger(status) && (status as number) >= 200 && (status as number) <= 999;
}
