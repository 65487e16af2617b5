/**
 * The words that the filter knows without a list: few and unmistakable, so that a recipe without lists loses no page
 * it should keep. Place names and ordinary words that contain them (Essex, Scunthorpe, analysis, cockpit, Pornic)
 * are why none of them is looked for inside other words.
 */

/** One of these as a whole word of a URL is enough. */
export const ownHardWords: readonly string[] = [
  "porn",
  "porno",
  "pornstar",
  "pornstars",
  "xxx",
  "hentai",
  "camgirl",
  "camgirls",
  "sexcam",
  "sexcams",
  "sextube",
  "milf",
  "milfs",
  "blowjob",
  "blowjobs",
  "gangbang",
  "upskirt",
  "onlinecasino",
  "escortservice",
];

/** Two different ones of these as whole words of a URL are needed. */
export const ownSoftWords: readonly string[] = [
  "sex",
  "sexy",
  "nude",
  "nudes",
  "naked",
  "erotic",
  "adult",
  "fetish",
  "webcam",
  "escort",
  "escorts",
  "casino",
  "betting",
  "jackpot",
  "slots",
];
