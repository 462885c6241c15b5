/**
 * Limits of sealed configuration, each with its reason.
 *
 * @module
 */

/** Configuration that people edit; a text is kept whole in memory, several times. Larger files are for `claviger encrypt`. */
export const TEXT_BYTES_MAX = 1024 * 1024;
/** What 10,000 sealed values and 16 wraps add to that. */
export const SEALED_BYTES_MAX = 4 * 1024 * 1024;
/** Each is sealed by itself: more are a database. */
export const VALUES_MAX = 10_000;
/** Readers go down one level a call; no configuration known is half as deep. */
export const DEPTH_MAX = 64;
/** Keys that open a file: as many as a ciphertext has homes. */
export const KEYS_MAX = 16;
/** Of a pattern that selects values: a person has to read it. */
export const PATTERN_CHARS_MAX = 256;
/** For all paths of a file under one pattern: patterns come with files, and some never end. */
export const PATTERN_MS_MAX = 1000;
/** Words and signs of a YAML text, some ten for each value: the package takes half a KiB for each. */
export const YAML_TOKENS_MAX = 250_000;
