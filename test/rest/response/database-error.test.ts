import { DatabaseError } from 'pg';
import { describe, expect, test } from 'vitest';
import { ConnectionLost, DatabaseUnavailable } from '../../../src/db/database.ts';
import { databaseError } from '../../../src/rest/response/database-error.ts';

function raised(code: string, message = 'm', fields: { detail?: string; hint?: string } = {}): DatabaseError {
  return Object.assign(new DatabaseError(message, 1, 'error'), { code, ...fields });
}

const shown = (error: unknown, isAnonymous = false) => databaseError(error, isAnonymous, false);

describe('an SQLSTATE', () => {
  test.each([
    ['08003', 503],
    ['08P01', 503],
    ['09000', 500],
    ['0L000', 403],
    ['0P000', 403],
    ['22P02', 400],
    ['23502', 400],
    ['23503', 409],
    ['23505', 409],
    ['23514', 400],
    ['25006', 405],
    ['25001', 500],
    ['28000', 403],
    ['2D000', 500],
    ['38000', 500],
    ['39000', 500],
    ['3B000', 500],
    ['40001', 500],
    ['53400', 500],
    ['53300', 503],
    ['54001', 500],
    ['55P03', 500],
    ['57014', 500],
    ['57P01', 503],
    ['58000', 500],
    ['F0000', 500],
    ['HV000', 500],
    ['P0001', 400],
    ['P0002', 500],
    ['XX000', 500],
    ['42883', 404],
    ['42P01', 404],
    ['42P17', 500],
    ['42703', 400],
    ['99999', 400],
  ])('%s is a %i', (code, status) => {
    // As `raise` in a function says it.
    const error = Object.assign(raised(code), { routine: 'exec_stmt_raise' });
    expect(shown(error)).toMatchObject({ code, status, message: 'm', details: null, hint: null });
  });

  test.each(['53100', '53200', '53300', '53400', '57P01', '58030', '58P01', 'F0000', 'XX000', 'XX001'])(
    '%s of the server itself is told in fixed words',
    (code) => {
      const said = { detail: 'base/5/1234', hint: 'Check free disk space of /var/lib/postgresql.' };
      const answer = shown(raised(code, 'could not extend file "base/5/1234"', said));
      expect(answer).toMatchObject({ code, details: null, hint: null });
      expect(answer?.message).toMatch(/^The \w+ /);
      expect(answer?.message).not.toMatch(/base\/|extend/);
    },
  );

  test.each(['57014', '22P02', '23505'])('%s keeps its message', (code) => {
    expect(shown(raised(code))).toMatchObject({ code, message: 'm' });
  });

  test.each(['54000', '54001', '54023'])('%s is a 400 when the client is to blame', (code) => {
    expect(databaseError(raised(code), false, true)).toMatchObject({ code, status: 400 });
  });

  test('keeps detail and hint', () => {
    expect(shown(raised('23505', 'm', { detail: 'd', hint: 'h' }))).toMatchObject({
      details: 'd',
      hint: 'h',
    });
  });

  test.each([
    ['42501', 'permission denied for table films', false, 403],
    ['42501', 'permission denied for table films', true, 401],
    ['21000', 'more than one row returned by a subquery used as an expression', false, 500],
    ['21000', 'UPDATE requires a WHERE clause', false, 400],
    ['22023', 'role "nobody" does not exist', false, 401],
    ['22023', 'invalid value for parameter "TimeZone": "x"', false, 400],
    ['42883', 'function xmlagg(json) does not exist', false, 406],
  ])('%s, "%s", anonymous: %s, is a %i', (code, message, isAnonymous, status) => {
    const error = shown(raised(code, message), isAnonymous);
    expect(error?.status).toBe(status);
    expect(error?.headers).toEqual(status === 401 ? [['WWW-Authenticate', 'Bearer']] : []);
  });
});

describe('a status that a function raises', () => {
  test('is the last three characters of PTxyz, and the message the reason', () => {
    expect(shown(raised('PT402', 'Payment Required', { detail: 'd' }))).toMatchObject({
      code: 'PT402',
      status: 402,
      reason: 'Payment Required',
      message: 'Payment Required',
      details: 'd',
    });
  });

  test.each(['PTABC', 'PT100', 'PT000'])('is 500 when it is invalid: %s', (code) => {
    expect(shown(raised(code))).toMatchObject({ status: 500, reason: undefined });
  });
});

describe('an answer that a function raises', () => {
  const body = '{"code":"123","message":"ABC","details":"DEF","hint":"XYZ"}';

  test('is used unchanged', () => {
    const detail = '{"status":332,"status_text":"My Status","headers":{"X-B":"b","X-A":"ä"}}';
    expect(shown(raised('PGRST', body, { detail }))).toEqual({
      code: '123',
      status: 332,
      reason: 'My Status',
      message: 'ABC',
      details: 'DEF',
      hint: 'XYZ',
      headers: [
        ['X-A', 'ä'],
        ['X-B', 'b'],
      ],
    });
    const least = raised('PGRST', '{"code":"1","message":"m"}', { detail: '{"status":400,"headers":{}}' });
    expect(shown(least)).toMatchObject({ status: 400, reason: undefined, details: null, hint: null });
  });

  test.each([
    ['INVALID', '{"status":400,"headers":{}}', "Invalid JSON value for MESSAGE: 'INVALID'"],
    ['{"code":1,"message":"m"}', '{}', `Invalid JSON value for MESSAGE: '{"code":1,"message":"m"}'`],
    ['[]', '{}', "Invalid JSON value for MESSAGE: '[]'"],
    [body, undefined, 'DETAIL is missing in the RAISE statement'],
    [body, 'INVALID', "Invalid JSON value for DETAIL: 'INVALID'"],
    [body, '{"status":400}', `Invalid JSON value for DETAIL: '{"status":400}'`],
    [body, '{"status":99,"headers":{}}', `Invalid JSON value for DETAIL: '{"status":99,"headers":{}}'`],
    [
      body,
      '{"status":400,"headers":{"a":1}}',
      `Invalid JSON value for DETAIL: '{"status":400,"headers":{"a":1}}'`,
    ],
    [
      body,
      '{"status":400,"headers":{"a\\n":"1"}}',
      `Invalid JSON value for DETAIL: '{"status":400,"headers":{"a\\n":"1"}}'`,
    ],
  ])('that cannot be read is a PGRST121: %s, %s', (message, detail, details) => {
    const error = shown(raised('PGRST', message, detail === undefined ? {} : { detail }));
    expect(error).toMatchObject({
      code: 'PGRST121',
      status: 500,
      message: 'Could not parse JSON in the "RAISE SQLSTATE \'PGRST\'" error',
      details,
    });
    expect(error?.hint).toMatch(/^(MESSAGE|DETAIL) must be a JSON object/);
  });
});

describe('without a database', () => {
  test.each([
    [new DatabaseUnavailable('connect ECONNREFUSED'), 'PGRST000', 503, 'connect ECONNREFUSED'],
    [new DatabaseUnavailable('all busy', { reason: 'busy' }), 'PGRST003', 504, null],
    [new ConnectionLost('read ECONNRESET', { reason: 'cut' }), 'PGRST001', 503, 'read ECONNRESET'],
    [
      new ConnectionLost('not answered for 35 s', { reason: 'silent' }),
      'LTR504',
      504,
      'not answered for 35 s',
    ],
  ])('%s is %s', (error, code, status, details) => {
    expect(shown(error)).toMatchObject({ code, status, details });
  });

  test('a bug is not an error of the database', () => {
    expect(shown(new TypeError('x is undefined'))).toBeNull();
    expect(shown('text')).toBeNull();
  });
});
