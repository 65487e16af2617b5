/** Said between the network and the engine, which loads no network code: a file is no longer what was begun. */

/** The host has another version of a file than the one that was begun. What was read of it is worth nothing. */
export class ChangedInput extends Error {
  readonly url: string;
  constructor(url: string) {
    super(`${url} changed on the host while it was read`);
    this.url = url;
  }
}
