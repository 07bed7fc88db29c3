import type { Secret } from '../config/secret.ts';

/** Where the heads of the sealed audit log go, beside the log and the manifests of backups. */
export interface AnchorTargets {
  /** A file to which each head is appended; null: none. */
  readonly file: string | null;
  /** The URL to which each head is posted; null: none. */
  readonly webhook: Secret | null;
}
