/** What is said when there is nothing to show, or something went wrong. */
import { Refused } from "../ask.ts";

export function Notice({ error }: { readonly error: Error }) {
  return (
    <p class="notice bad" role="alert">
      {error.message}
      {error instanceof Refused && error.hint ? <span class="hint"> {error.hint}</span> : null}
    </p>
  );
}

export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children: preact.ComponentChildren;
}) {
  return (
    <section class="empty">
      <h2>{title}</h2>
      <p>{children}</p>
    </section>
  );
}

export function Copy({ text, label = "copy" }: { readonly text: string; readonly label?: string }) {
  return (
    <button
      type="button"
      class="small tool"
      onClick={event => {
        const button = event.currentTarget;
        void navigator.clipboard.writeText(text).then(() => {
          button.textContent = "copied";
          setTimeout(() => {
            button.textContent = label;
          }, 1200);
        });
      }}
    >
      {label}
    </button>
  );
}
