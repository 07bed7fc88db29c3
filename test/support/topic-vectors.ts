/**
 * Embeddings with the structure that models give them: clustered around topics, and varying in few directions within a
 * topic. Uniform random vectors are all equally far apart, so a search among them proves nothing.
 */
export interface TopicVectors {
  /**
   * A new vector of a topic, of length 1. Topics are counted from 0; the same calls in the same order return the same
   * vectors.
   */
  next(topic: number): Float32Array;
}

/** Dimensions of an embedding in this project. */
export const dimensions = 1536;

/** Directions in which the vectors of a topic differ. */
const latentDimensions = 24;
/** The distance within a topic, relative to the 1 between topics. */
const spread = 0.7;

/**
 * Creates a source of vectors, deterministic by its seed. Two sources with the same `topics` and `space` share their
 * topics.
 */
export function makeTopicVectors(topics: number, seed: number, space = 1): TopicVectors {
  const ofSpace = randomNumbers(space);
  const centres = Array.from({ length: topics }, () => unit(gaussians(ofSpace, dimensions)));
  const directions = Array.from({ length: latentDimensions }, () => unit(gaussians(ofSpace, dimensions)));
  const random = randomNumbers(seed);
  return {
    next: (topic) => {
      const vector = Float32Array.from(centres[topic % topics] ?? []);
      for (const direction of directions) {
        const weight = (gaussian(random) * spread) / Math.sqrt(latentDimensions);
        for (let i = 0; i < dimensions; i++) vector[i]! += weight * direction[i]!;
      }
      return unit(vector);
    },
  };
}

/** A vector in pgvector's text form. */
export function vectorText(vector: Float32Array): string {
  return `[${Array.from(vector, (value) => value.toFixed(6)).join()}]`;
}

/** Random numbers from 0 to 1 (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function gaussians(random: () => number, count: number): Float32Array {
  return Float32Array.from({ length: count }, () => gaussian(random));
}

/** A roughly normal random number: the sum of twelve uniform ones is close enough, and cheap. */
function gaussian(random: () => number): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random();
  return sum;
}

function unit(vector: Float32Array): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const length = Math.sqrt(squares);
  return vector.map((value) => value / length);
}
