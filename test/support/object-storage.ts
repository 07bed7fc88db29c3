import type { S3Location } from '../../src/backup/store/s3-errors.ts';
import { startS3StandIn } from './s3-stand-in.ts';
import { startSwift } from './swift/swift.ts';

/** A running object storage server with one bucket. */
export interface ObjectStorage {
  /** The bucket, with a new prefix for each call. */
  location(): S3Location;
  /** Stops the server, and removes what it stored. */
  stop(): Promise<void>;
}

/** The stand-in, which is quick, or OpenStack Swift when `LIGHTNING_TEST_S3=swift`. */
export function startObjectStorage(): Promise<ObjectStorage> {
  return process.env['LIGHTNING_TEST_S3'] === 'swift' ? startSwift() : startS3StandIn();
}

/** The location as environment variables of `lightning`, without encryption. */
export function storageEnvironment({
  bucket,
  prefix,
  endpoint,
  region,
  credentials,
}: S3Location): Record<string, string> {
  return {
    BACKUP_STORE: `s3://${bucket}/${prefix}`,
    BACKUP_ENCRYPTION_KEY: 'none',
    BACKUP_S3_ENDPOINT: endpoint ?? '',
    BACKUP_S3_REGION: region,
    AWS_ACCESS_KEY_ID: credentials?.accessKeyId ?? '',
    AWS_SECRET_ACCESS_KEY: credentials?.secretAccessKey.reveal() ?? '',
  };
}
