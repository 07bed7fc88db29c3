const headerName = /^[!#$%&'*+.^_`|~\w-]+$/;
// A line end would begin another header.
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const controls = /[\u0000-\u0008\u000a-\u001f\u007f]/;
// oxlint-disable-next-line no-control-regex -- ASCII begins with the control characters
const beyondAscii = /[^\u0000-\u007f]/;

/** Whether a name and value that a function made up can be sent as a header. The value may be any text on one line. */
export function isHeader(name: string, value: string): boolean {
  return headerName.test(name) && !controls.test(value);
}

/**
 * A header's value as node takes it, one character per byte: UTF-8, which is how PostgREST sends names beyond ASCII.
 * Characters that no header can hold are percent-encoded.
 */
export function headerBytes(value: string): string {
  const safe = controls.test(value)
    ? value.replaceAll(new RegExp(controls, 'g'), (character) => encodeURIComponent(character))
    : value;
  return beyondAscii.test(safe) ? Buffer.from(safe, 'utf8').toString('latin1') : safe;
}

/** Whether a status can end an answer: 100 to 199 are only interim. */
export function isFinalStatus(status: unknown): status is number {
  return Number.isInteger(status) && (status as number) >= 200 && (status as number) <= 999;
}
