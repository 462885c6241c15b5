/**
 * What a message may ask of who reads it, and what is written. Each limit is named, with its reason;
 * spec/esdk-profile.md has them in one table.
 *
 * @module
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** A frame is held until its tag is verified; the format itself would allow 4 GiB. */
export const FRAME_BYTES_MAX = 16 * MIB;
/** A body without frames is held whole until its tag is verified. Nothing writes such bodies any more. */
export const NON_FRAMED_BYTES_MAX = 64 * MIB;
/** What is held before anything of it is known to be true: a thousand data keys of AWS KMS, with room to spare. */
export const HEADER_BYTES_MAX = MIB;
/** Each may cost a call to a key service. Keys have at most 16 homes. */
export const ENCRYPTED_DATA_KEYS_MAX = 16;
/** Of any field of the header whose length is 16 bits: context, provider id and info, wrapped data key. */
export const FIELD_BYTES_MAX = 0xffff;
/** The last number that a frame can have: 0xffffffff in its place marks the final frame. */
export const FRAMES_MAX = 0xffff_ffff;

/** A frame costs 4–5 µs whatever its length, and is as long as what waits for its tag. */
export const FRAME_BYTES = 64 * KIB;
/** For what is known to be large, where a frame's latency matters less than its cost. */
export const LARGE_FRAME_BYTES = 256 * KIB;
/** From here on a stream is large. */
export const LARGE_BYTES = 16 * MIB;
