/** Every matrix of the model as a rectangle, all to one scale; vectors are lines. Rows down, columns across. */
import type { Inside } from "../../api.ts";
import { count } from "../words.ts";

const widest = 100;

type ScaleProps = { readonly tensors: Inside["tensors"]; readonly choose: (name: string) => void };

export function Scale({ tensors, choose }: ScaleProps) {
  const sides = tensors.map(
    ({ shape }) => (shape.length === 2 ? [shape[0]!, shape[1]!] : [1, shape[0]!]) as [number, number],
  );
  // Areas are to scale: a side is drawn as its own length by a common factor, the tallest folded into 260 pixels.
  const unit = widest / Math.max(...sides.map(([, columns]) => columns));
  const groups = new Map<string, number[]>();
  tensors.forEach(({ name }, i) => {
    const group = /^layers\.\d+/.exec(name)?.[0] ?? "";
    groups.set(group, [...(groups.get(group) ?? []), i]);
  });
  return (
    <>
      {[...groups].map(([group, members]) => (
        <div key={group}>
          {group && <h3>{group.replace("layers.", "layer ")}</h3>}
          <div class="scale">
            {members.map(i => {
              const { name, shape } = tensors[i]!;
              const [rows, columns] = sides[i]!;
              const folds = Math.max(1, Math.ceil((rows * unit) / 260));
              const [width, height] = [columns * unit, Math.max(2, (rows * unit) / folds)];
              return (
                <button
                  key={name}
                  type="button"
                  onClick={() => choose(name)}
                  title={`${name}: ${shape.join(" × ")}`}
                  aria-label={`${name}: ${shape.join(" by ")}`}
                >
                  <svg width={Math.max(2, folds * (width + 3))} height={height + 2} aria-hidden="true">
                    {Array.from({ length: folds }, (_, fold) => (
                      <rect key={fold} x={fold * (width + 3) + 0.5} y="0.5" width={width} height={height} />
                    ))}
                  </svg>
                  {name.replace(/^layers\.\d+\./, "")}
                  <br />
                  {count(rows * columns)}
                </button>
              );
            })}
          </div>
        </div>
      ))}
    </>
  );
}
