// Numbers as colored squares, `(rows, columns)`, with the value beside the mouse; squares may be clicked.

import { Panel, BAR, colorBar } from "./panel.js";
import { ORANGE, css, number, numbers, stride, theLook } from "./look.js";

const LEFT = 44; // pixels for the numbers of the rows and their name
const BELOW = 34;
const LARGEST = 30; // pixels of a square

export class Heatmap extends Panel {
  constructor(view, content) {
    super(view, content);
    this.canvas.addEventListener("pointermove", (event) => this.point(this.square(event)));
    this.canvas.addEventListener("click", (event) => this.press(this.square(event)));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
  }

  show(content) {
    super.show(content);
    this.levels = numbers(content.levels, Uint8Array);
    this.values = numbers(content.values, Float32Array);
    this.crossed = numbers(content.crossed, Uint8Array);
    this.canvas.style.cursor = content.clickable ? "pointer" : "default";
    this.refresh();
  }

  /** So much that maps beside each other have squares of about one size. */
  get room() {
    const columns = this.content.shape[1];
    const beside = LEFT + (this.content.bar ? BAR : 6);
    return { weight: columns, least: beside + columns * (columns > 16 ? 9 : 13) };
  }

  /** Squares, as large as there is room for. */
  height(width) {
    const [rows, columns] = this.content.shape;
    const room = width - LEFT - (this.content.bar ? BAR : 6);
    this.size = Math.max(2, Math.min(LARGEST, Math.floor(room / columns)));
    return Math.max(this.size * rows + BELOW + 8, this.content.bar ? 130 : 0);
  }

  paint(pen) {
    const [rows, columns] = this.content.shape;
    const { theme } = theLook();
    const { size } = this;
    const table = this.colors();
    const gap = size > 5 ? 1 : 0;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const place = row * columns + column;
        const [x, y] = [LEFT + column * size, 4 + row * size];
        const crossed = this.crossed?.[place];
        pen.fillStyle = crossed ? "#000000" : css(table[this.levels[place]]);
        pen.fillRect(x, y, size - gap, size - gap);
        if (crossed) cross(pen, x, y, size - gap);
      }
    }
    pen.fillStyle = theme.text;
    pen.textBaseline = "top";
    pen.textAlign = "center";
    for (let column = 0; column < columns; column += stride(columns, columns * size, 20)) {
      pen.fillText(String(column), LEFT + (column + 0.5) * size, 6 + rows * size);
    }
    pen.fillText(this.content.across, LEFT + (columns * size) / 2, 20 + rows * size);
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (let row = 0; row < rows; row += stride(rows, rows * size, 14)) {
      pen.fillText(String(row), LEFT - 4, 4 + (row + 0.5) * size);
    }
    pen.save();
    pen.translate(12, 4 + (rows * size) / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText(this.content.down, 0, 0);
    pen.restore();
    if (this.content.bar) colorBar(pen, this, LEFT + columns * size + 14, 8, Math.max(rows * size - 8, 110));
    if (this.at) {
      pen.strokeStyle = theme.text;
      pen.lineWidth = 2;
      pen.strokeRect(LEFT + this.at[1] * size - 0.5, 3.5 + this.at[0] * size, size, size);
    }
  }

  /** The [row, column] below the mouse, or null. */
  square(event) {
    const [rows, columns] = this.content.shape;
    const row = Math.floor((event.offsetY - 4) / this.size);
    const column = Math.floor((event.offsetX - LEFT) / this.size);
    return row >= 0 && row < rows && column >= 0 && column < columns ? [row, column] : null;
  }

  point(square) {
    if (String(square) === String(this.at)) return;
    this.at = square;
    this.draw();
    if (square === null) this.say(null);
    this.refresh();
  }

  /** The label of the square that is pointed at: it may hold something else now. */
  refresh() {
    if (!this.at || !this.width) return;
    const [row, column] = this.at;
    const place = row * this.content.shape[1] + column;
    const value = this.crossed?.[place] ? "dead" : number(this.values[place]);
    const where = `${this.content.across} ${column}, ${this.content.down} ${row}`;
    this.say(`${where}\n${value}`, LEFT + (column + 0.5) * this.size, 4 + row * this.size);
  }

  press(square) {
    if (square && this.content.clickable) this.view.emit({ kind: "click", panel: this.content.name, cell: square });
  }

  key(event) {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (event.key in moves) {
      const start = this.at ?? [0, -1];
      this.point(start.map((value, axis) => {
        const next = value + moves[event.key][axis];
        return Math.max(0, Math.min(this.content.shape[axis] - 1, next));
      }));
    } else if (event.key === "Enter") this.press(this.at);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

function cross(pen, x, y, size) {
  pen.strokeStyle = ORANGE;
  pen.lineWidth = Math.max(1, size / 10);
  pen.beginPath();
  for (const [from, to] of [[0.25, 0.75], [0.75, 0.25]]) {
    pen.moveTo(x + 0.25 * size, y + from * size);
    pen.lineTo(x + 0.75 * size, y + to * size);
  }
  pen.stroke();
}
