/**
 * Where things lie in the memory of the inflater, which takes all of it when it is made. What the compiler places
 * itself (the order of the code lengths) begins at 36,864, which kernels/assets.ts tells it.
 *   1024  code lengths of one header, with room for 320
 *   1536  how many codes have each length, and behind it where each length begins
 *   1792  symbols by code
 *   2560  what each literal or length means, then each distance, then each code of the header's own lengths
 *   4096  the table of the header's codes
 *   4608  16 bytes for each distance below 16: which byte of the last ones follows
 *   5120  tables of the block at hand, distances, then literals and lengths
 *   20480 tables of the fixed codes
 *   65536 the input; behind it the output
 */
export const LENGTHS: usize = 1024;
export const COUNTS: usize = 1536;
export const STARTS: usize = 1664;
export const SORTED: usize = 1792;
export const LITERAL_MEANINGS: usize = 2560;
export const DISTANCE_MEANINGS: usize = 3776;
export const HEADER_MEANINGS: usize = 3968;
export const HEADER_TABLE: usize = 4096;
export const PATTERNS: usize = 4608;
export const DISTANCE_TABLE: usize = 5120;
export const LITERAL_TABLE: usize = 8192;
export const FIXED_LITERAL_TABLE: usize = 20480;
export const FIXED_DISTANCE_TABLE: usize = 32768;
export const INPUT: usize = 65536;

/** Bytes behind the input that are read, and bytes behind the output that are written, and of no account. */
export const SLACK: usize = 512;
