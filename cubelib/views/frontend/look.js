// What all drawings of a page share: the colors, the theme, and small helpers for text and numbers.

export const ORANGE = "#D55E00"; // as in cubelib.views.style

const THEMES = {
  light: { background: "#ffffff", text: "#1f2328", faint: "#8a8f98", line: "#c9ced6", silent: "#ededed", edge: "#222222" },
  dark: { background: "#111111", text: "#e6e6e6", faint: "#8d939c", line: "#444a52", silent: "#26292e", edge: "#0a0a0a" },
};
const KEY = "cubelib-look"; // where the browser keeps the choice

/** The palette and the theme of the page, chosen once for all views. */
class Look extends EventTarget {
  palette = { sequential: "viridis", signed: "PuOr" };
  choice = "auto";

  constructor() {
    super();
    try {
      const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
      this.choice = kept.choice in THEMES ? kept.choice : "auto";
      this.palette = { ...this.palette, ...kept.palette };
    } catch {
      // A page that may keep nothing, such as one in a sandbox, begins with the defaults each time.
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.announce());
    const options = { attributes: true, attributeFilter: ["class", "data-jp-theme-light", "data-jp-theme-name"] };
    new MutationObserver(() => this.announce()).observe(document.body, options); // JupyterLab changes its theme
  }

  get theme() {
    return THEMES[this.choice === "auto" ? surroundings() : this.choice];
  }

  choose(change) {
    Object.assign(this, change);
    try {
      localStorage.setItem(KEY, JSON.stringify({ choice: this.choice, palette: this.palette }));
    } catch {
      // see above
    }
    this.announce();
  }

  announce() {
    this.dispatchEvent(new Event("change"));
  }

  /** 256 colors [red, green, blue] of a scale; the first is silence. */
  table(scale, palettes) {
    const named = palettes[scale.kind];
    const stops = (named[this.palette[scale.kind]] ?? Object.values(named)[0]).map(rgb);
    const table = [rgb(this.theme.silent)];
    for (let level = 1; level < 256; level++) table.push(between(stops, (level - 1) / 254));
    return table;
  }
}

/** "light" or "dark": JupyterLab's own theme where there is one, else what the reader's system prefers. */
function surroundings() {
  const lab = document.body.dataset.jpThemeLight;
  if (lab !== undefined) return lab === "false" ? "dark" : "light";
  const color = getComputedStyle(document.body).getPropertyValue("--jp-layout-color0").trim();
  if (/^#[0-9a-f]{6}$/i.test(color)) return rgb(color).reduce((sum, part) => sum + part) < 384 ? "dark" : "light";
  // An exported notebook is white whatever the system prefers.
  if (color) return "light";
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

let look;
/** The one look of the page; made when it is first needed, because it watches the body. */
export const theLook = () => (look ??= new Look());

export function rgb(hex) {
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}

export const css = (color) => `rgb(${color.join(",")})`;

function between(stops, share) {
  const place = share * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  return stops[low].map((part, index) => Math.round(part + (place - low) * (stops[low + 1][index] - part)));
}

/** Four digits, as the kernel prints them. */
export const number = (value) => String(Number(value.toPrecision(4)));

/** Bytes from the kernel (a DataView) or from a page (base64), as a typed array. */
export function numbers(data, Kind) {
  if (data === null || data === undefined) return null;
  if (typeof data !== "string") return new Kind(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
  return new Kind(Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)).buffer);
}

/** An element with properties and children; text becomes text, never markup. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role" || name === "for") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** Every how many numbers an axis is labeled, so that labels are at least `room` pixels apart. */
export function stride(count, length, room) {
  return [1, 2, 4, 8, 16, 32, 64, 128].find((step) => (step * length) / count >= room) ?? count;
}

export const STYLE = `
.cubelib { box-sizing: border-box; width: 100%; padding: 4px 8px 8px; font: 13px/1.4 system-ui, sans-serif; position: relative }
.cubelib * { box-sizing: border-box }
.cubelib-row { display: flex; flex-wrap: wrap; gap: 4px 20px; align-items: flex-start }
.cubelib-panel { position: relative; min-width: 0; margin: 0 }
.cubelib-title { font-weight: 600; margin: 4px 0 0 }
.cubelib-panel canvas { display: block; touch-action: none; outline-offset: 0 }
.cubelib-panel .cubelib-scene { position: absolute; pointer-events: none }
.cubelib-panel canvas:focus-visible { outline: 2px solid #0072B2 }
.cubelib-tip { position: absolute; pointer-events: none; padding: 3px 7px; border-radius: 4px; white-space: pre-line;
  background: #1f2328; color: #fff; border: 1px solid #777; font-size: 12px; z-index: 5; max-width: 420px }
.cubelib-tip[hidden] { display: none }
.cubelib-bar { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; margin-top: 4px }
.cubelib-bar input[type=range] { flex: 1 1 160px; max-width: 520px; accent-color: #0072B2 }
.cubelib-bar button, .cubelib-bar select { font: inherit; color: inherit; background: transparent; border: 1px solid currentColor;
  border-radius: 4px; padding: 2px 10px; cursor: pointer }
.cubelib-bar option { color: #1f2328; background: #fff }
.cubelib-bar :focus-visible { outline: 2px solid #0072B2; outline-offset: 1px }
.cubelib-tick { min-width: 84px; font-variant-numeric: tabular-nums }
.cubelib-legend { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 12px; margin-top: 2px }
.cubelib-legend span::before { content: ""; display: inline-block; width: 11px; height: 11px; margin-right: 5px; vertical-align: -1px;
  background: var(--fill); border: 2px solid var(--edge) }
.cubelib-legend span.words::before { display: none }
.cubelib-spread { flex: 1 1 0 }
.cubelib-heard { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
.cubelib-twin img { max-width: 100%; display: block; background: #fff }
`;
