/** Questions to the server, and a hook that keeps an answer and asks again when told to. Knows no page. */
import { useEffect, useState } from "preact/hooks";
import type { Failure } from "../api.ts";

export class Refused extends Error {
  readonly hint: string | null;
  constructor({ error, hint }: Failure) {
    super(error);
    this.hint = hint;
  }
}

async function answerOf<T>(response: Response): Promise<T> {
  if (response.ok) return (await response.json()) as T;
  const said = (await response.json().catch(() => null)) as Failure | null;
  throw new Refused(said ?? { error: `the studio answered ${response.status}`, hint: null });
}

export async function ask<T>(
  path: string,
  parameters: Record<string, string | number> = {},
  signal?: AbortSignal,
): Promise<T> {
  const search = new URLSearchParams(
    Object.entries(parameters).map(([name, value]) => [name, String(value)]),
  );
  return answerOf<T>(await fetch(`${path}${search.size > 0 ? `?${search}` : ""}`, signal ? { signal } : {}));
}

const json = (body: unknown, signal?: AbortSignal): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
  ...(signal ? { signal } : {}),
});

export async function post<T>(path: string, body: unknown): Promise<T> {
  return answerOf<T>(await fetch(path, json(body)));
}

/** One JSON object a line, as they come. */
export async function* postLines<T>(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<T> {
  const response = await fetch(path, json(body, signal));
  if (!response.ok || !response.body) return void (await answerOf(response));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    held += value ?? "";
    const lines = held.split("\n");
    held = lines.pop()!;
    for (const line of lines) {
      if (line === "") continue;
      const object = JSON.parse(line) as T;
      const { error } = object as Partial<Failure>;
      if (error) throw new Refused({ error, hint: null });
      yield object as Awaited<T>;
    }
    if (done) return;
  }
}

export type Asked<T> = { readonly value: T | null; readonly error: Error | null; readonly busy: boolean };

/** Asks when `key` changes; keeps the last answer while the next is on its way. An empty key asks nothing. */
export function useAnswer<T>(key: string, question: () => Promise<T>): Asked<T> {
  const [state, set] = useState<Asked<T>>({ value: null, error: null, busy: true });
  useEffect(() => {
    if (key === "") return;
    let gone = false;
    set(before => ({ ...before, busy: true }));
    question().then(
      value => gone || set({ value, error: null, busy: false }),
      (error: Error) => gone || set(before => ({ value: before.value, error, busy: false })),
    );
    return () => {
      gone = true;
    };
  }, [key]);
  return state;
}
