// Short texts that are part of a scene. A second canvas for them would cost as much as the scene where there is no
// graphics card, so all texts are written once, on one texture, and the scene shows parts of it.

import { BufferAttribute, BufferGeometry, Mesh, ShaderMaterial, Texture } from "three";
import { FONT } from "./panel.js";

const SHARP = 2; // pixels of the texture for one of the page
const WIDE = 512; // of the texture, in pixels of the page
const TALL = 18; // of a line of text

const VERTEX = "varying vec2 place; void main() { place = uv; gl_Position = vec4(position, 1.0); }";
const FRAGMENT = `
  uniform sampler2D words; varying vec2 place;
  void main() { gl_FragColor = texture2D(words, place); }`;

export class Writing {
  /** @param texts a list of [text, bold]. */
  constructor(texts, color) {
    const sheet = document.createElement("canvas");
    const pen = sheet.getContext("2d");
    this.places = new Map(); // of a text on the sheet: left, top, width
    let [left, top] = [0, 0];
    for (const [text, bold] of texts) {
      pen.font = font(bold);
      const width = Math.ceil(pen.measureText(text).width) + 2;
      if (left + width > WIDE) [left, top] = [0, top + TALL];
      this.places.set(text, { left, top, width, bold });
      left += width;
    }
    this.tall = top + TALL;
    [sheet.width, sheet.height] = [SHARP * WIDE, SHARP * this.tall];
    pen.scale(SHARP, SHARP);
    pen.fillStyle = color;
    pen.textBaseline = "middle";
    for (const [text, { left: x, top: y, bold }] of this.places) {
      pen.font = font(bold);
      pen.fillText(text, x + 1, y + TALL / 2);
    }
    this.texture = new Texture(sheet);
    this.texture.premultiplyAlpha = true;
    this.texture.needsUpdate = true;
    const geometry = new BufferGeometry();
    const most = 3 * texts.length; // a number may be written along each axis
    const corners = 4 * most;
    geometry.setAttribute("position", new BufferAttribute(new Float32Array(3 * corners), 3));
    geometry.setAttribute("uv", new BufferAttribute(new Float32Array(2 * corners), 2));
    geometry.setIndex(Array.from({ length: 6 * most }, (_, corner) => 4 * Math.floor(corner / 6) + [0, 1, 2, 0, 2, 3][corner % 6]));
    const uniforms = { words: { value: this.texture } };
    const material = new ShaderMaterial({
      uniforms, vertexShader: VERTEX, fragmentShader: FRAGMENT, transparent: true, premultipliedAlpha: true,
      depthTest: false, depthWrite: false,
    });
    this.mesh = new Mesh(geometry, material);
    this.mesh.frustumCulled = false;
    this.mesh.renderOrder = 3; // before all cells
  }

  width(text) {
    return this.places.get(text).width;
  }

  /**
   * @param notes a list of {text, left, middle} in pixels from the left and from the top of a picture.
   * @param width of the picture, as `height`.
   */
  write(notes, width, height) {
    const { position, uv } = this.mesh.geometry.attributes;
    notes.forEach(({ text, left, middle }, index) => {
      const place = this.places.get(text);
      const [x, y] = [Math.round(left), Math.round(middle - TALL / 2)];
      [[0, 1], [1, 1], [1, 0], [0, 0]].forEach(([right, down], corner) => {
        const along = right * place.width;
        const below = down * TALL;
        position.setXYZ(4 * index + corner, (2 * (x + along)) / width - 1, 1 - (2 * (y + below)) / height, 0);
        uv.setXY(4 * index + corner, (place.left + along) / WIDE, 1 - (place.top + below) / this.tall);
      });
    });
    position.needsUpdate = uv.needsUpdate = true;
    this.mesh.geometry.setDrawRange(0, 6 * notes.length);
  }

  dispose() {
    this.texture.dispose();
    this.mesh.geometry.dispose();
    this.mesh.material.dispose();
  }
}

const font = (bold) => (bold ? `600 ${FONT}` : FONT);
