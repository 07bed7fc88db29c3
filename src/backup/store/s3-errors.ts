import { S3ServiceException } from '@aws-sdk/client-s3';
import type { BackupLocation } from '../../config/config.ts';
import { StoreRefused, StoreUnavailable } from './store.ts';

/** The place of a bucket. */
export type S3Location = Extract<BackupLocation, { readonly kind: 's3' }>;

const rights =
  's3:ListBucket on the bucket; s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on its objects';

/**
 * Says in one sentence what an error of the AWS SDK means for the store at `location`, and what to do. Never shows a
 * credential.
 */
export function s3Error(error: unknown, location: S3Location): Error {
  const { bucket, prefix, endpoint, region } = location;
  const store = `s3://${bucket}/${prefix}`;
  const place = endpoint ?? `AWS, region ${region}`;
  if (!(error instanceof Error)) return new StoreUnavailable(`${store}: ${String(error)}`);
  const options = { cause: error };
  const refused = (what: string) => new StoreRefused(`${store}: ${what}`, options);
  const said =
    error.message === error.name || error.message === '' ? error.name : `${error.name}: ${error.message}`;
  switch (error.name) {
    case 'NoSuchBucket':
      return refused(`bucket ${bucket} does not exist at ${place}. Make it, or correct BACKUP_STORE`);
    case 'CredentialsProviderError':
      return refused(
        `credentials are missing (${error.message}). Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where AWS gives the machine a role`,
      );
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'InvalidToken':
    case 'ExpiredToken':
      return refused(
        `${place} does not accept the credentials (${said}). Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN`,
      );
    case 'RequestTimeTooSkewed':
      return refused(`the clock of this machine differs from that of ${place} (${said}). Set it right`);
    case 'AuthorizationHeaderMalformed':
    case 'PermanentRedirect':
    case 'IllegalLocationConstraintException':
      return refused(
        `the bucket is not in region ${region} of ${place} (${said}). Set BACKUP_S3_REGION to the bucket's region`,
      );
    case 'PreconditionFailed':
      return refused(`an object was replaced while it was read (${said})`);
  }
  const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
  if (status === 401 || status === 403) {
    return refused(`${place} denies access (${said}). The credentials need ${rights}`);
  }
  if (status === 404)
    return refused(
      `${place} does not know the object or bucket that was asked for (${said}). Check BACKUP_STORE and BACKUP_S3_ENDPOINT`,
    );
  if (status !== undefined && status >= 300 && status < 500 && status !== 408 && status !== 429) {
    return refused(`${place} refuses the request with status ${status} (${said})`);
  }
  return new StoreUnavailable(
    status === undefined
      ? `${store}: ${place} does not answer (${reasonOf(error)})`
      : `${store}: ${place} cannot take requests now, status ${status} (${said})`,
    options,
  );
}

/** The reason for a failed connection. When several addresses were tried, Node leaves the message itself empty. */
function reasonOf(error: Error): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors
      .map((each: unknown) => (each instanceof Error ? each.message : String(each)))
      .join(', ');
  }
  return error.message || error.name;
}
