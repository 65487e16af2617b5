/**
 * Going through many small things with the arrow keys: the group is one stop of the Tab key, the arrows go on and back,
 * Home and End to its ends. Knows no things.
 */

/** Which one a key leads to from `at`, or null where the key says nothing. */
export function steppedBy(key: string, at: number, length: number): number | null {
  const last = length - 1;
  if (key === "ArrowRight" || key === "ArrowDown") return Math.min(last, at + 1);
  if (key === "ArrowLeft" || key === "ArrowUp") return Math.max(0, at - 1);
  if (key === "Home") return 0;
  if (key === "End") return last;
  return null;
}

/** For a group of buttons of which one has tabindex 0: moves the focus. */
export function walkButtons(event: KeyboardEvent, selector: string): void {
  const group = event.currentTarget as HTMLElement;
  const buttons = [...group.querySelectorAll<HTMLElement>(selector)];
  const at = buttons.indexOf(document.activeElement as HTMLElement);
  if (at < 0) return;
  const to = steppedBy(event.key, at, buttons.length);
  if (to === null) return;
  event.preventDefault();
  buttons[to]!.focus();
}
