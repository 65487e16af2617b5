/**
 * State that outlives its page: what was typed, chosen or written stays while another page is looked at, and goes on
 * being written. Knows no page; gone with the window.
 */
import { useEffect, useState } from "preact/hooks";

type Held = { value: unknown; readonly listeners: Set<() => void> };

const held = new Map<string, Held>();

export type Change<T> = (next: T | ((before: T) => T)) => void;

/** Like useState, under a name. */
export function useKept<T>(name: string, initial: T): readonly [T, Change<T>] {
  let own = held.get(name);
  if (!own) {
    own = { value: initial, listeners: new Set() };
    held.set(name, own);
  }
  const { listeners } = own;
  const [, redraw] = useState(0);
  useEffect(() => {
    const listener = () => redraw(n => n + 1);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, [listeners]);
  const change: Change<T> = next => {
    const of = held.get(name)!;
    of.value = typeof next === "function" ? (next as (before: T) => T)(of.value as T) : next;
    for (const listener of of.listeners) listener();
  };
  return [own.value as T, change];
}
