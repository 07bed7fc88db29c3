import { S3ServiceException } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { s3Error } from '../../../src/backup/store/s3-errors.ts';

const location = {
  kind: 's3',
  bucket: 'b',
  prefix: 'p/',
  endpoint: null,
  region: 'eu-west-1',
  credentials: null,
} as const;

const answered = (name: string, status: number) =>
  new S3ServiceException({
    name,
    message: 'as S3 says it',
    $fault: 'client',
    $metadata: { httpStatusCode: status },
  });

test.each([
  [
    'AccessDenied',
    403,
    'StoreRefused',
    'AWS, region eu-west-1 denies access (AccessDenied: as S3 says it). The credentials need s3:ListBucket',
  ],
  [
    'ExpiredToken',
    400,
    'StoreRefused',
    'Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN',
  ],
  ['InvalidAccessKeyId', 403, 'StoreRefused', 'does not accept the credentials'],
  ['RequestTimeTooSkewed', 403, 'StoreRefused', 'the clock of this machine'],
  ['PermanentRedirect', 301, 'StoreRefused', "Set BACKUP_S3_REGION to the bucket's region"],
  ['AuthorizationHeaderMalformed', 400, 'StoreRefused', "Set BACKUP_S3_REGION to the bucket's region"],
  ['NoSuchBucket', 404, 'StoreRefused', 'bucket b does not exist at'],
  ['NotFound', 404, 'StoreRefused', 'Check BACKUP_STORE and BACKUP_S3_ENDPOINT'],
  ['PreconditionFailed', 412, 'StoreRefused', 'an object was replaced while it was read'],
  [
    'QuotaExceeded',
    400,
    'StoreRefused',
    'refuses the request with status 400 (QuotaExceeded: as S3 says it)',
  ],
  ['SlowDown', 503, 'StoreUnavailable', 'cannot take requests now, status 503'],
  ['TooManyRequests', 429, 'StoreUnavailable', 'cannot take requests now, status 429'],
])('%s with status %i is a %s that says what to do', (name, status, kind, says) => {
  const error = s3Error(answered(name, status), location);
  expect(error.name).toBe(kind);
  expect(error.message).toMatch(/^s3:\/\/b\/p\/: /);
  expect(error.message).toContain(says);
});

test('without credentials the variables are named, and without a connection the reason of every address', () => {
  const none = Object.assign(new Error('Could not load credentials from any providers'), {
    name: 'CredentialsProviderError',
  });
  expect(s3Error(none, location).message).toContain('Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY');
  const tried = new AggregateError([
    new Error('connect ECONNREFUSED ::1:9000'),
    new Error('connect ECONNREFUSED 127.0.0.1:9000'),
  ]);
  expect(s3Error(tried, { ...location, endpoint: 'http://localhost:9000' }).message).toBe(
    's3://b/p/: http://localhost:9000 does not answer (connect ECONNREFUSED ::1:9000, connect ECONNREFUSED 127.0.0.1:9000)',
  );
});
