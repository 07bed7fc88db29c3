/** Receives the progress of long work: a fraction from 0 to 1 (null: unknown), and a few words for people. */
export type OnProgress = (fraction: number | null, note: string) => void;
