/** Told how far something long is: from 0 to 1, or null when nobody knows, and a few words for people. */
export type OnProgress = (fraction: number | null, note: string) => void;
