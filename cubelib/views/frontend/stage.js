// The one WebGL context of a page. Browsers allow a page some sixteen; a notebook may have more views than that, so
// each view has its scene drawn here and copies the picture onto its own canvas.

import { LinearSRGBColorSpace, WebGLRenderer } from "three";

let stage; // undefined: not tried yet; null: this browser has no WebGL

/** The renderer, or null where there is no WebGL. */
export function theStage() {
  if (stage === undefined) {
    try {
      stage = new Stage();
    } catch {
      stage = null;
    }
  }
  return stage;
}

class Stage {
  constructor() {
    const canvas = document.createElement("canvas");
    this.slow = drawsBySoftware();
    const options = { alpha: true, antialias: !this.slow, powerPreference: "low-power" };
    const context = canvas.getContext("webgl2", options); // asked first: three would complain on the console
    if (!context) throw new Error("no WebGL");
    this.renderer = new WebGLRenderer({ canvas, context, ...options });
    this.renderer.outputColorSpace = LinearSRGBColorSpace; // colors are given as those of the screen
    this.width = this.height = 0;
  }

  /**
   * Draws a scene and copies it onto a canvas's context, whose units are pixels of the screen there. Without a graphics
   * card a lattice that turns is drawn coarsely (`fine` is 0.6), and with smooth edges when it rests (2).
   */
  draw(scene, camera, pen, wide, tall, fine) {
    const [width, height] = [Math.round(fine * wide), Math.round(fine * tall)];
    if (width !== this.width || height !== this.height) {
      [this.width, this.height] = [width, height];
      this.renderer.setSize(width, height, false);
    }
    this.renderer.render(scene, camera);
    pen.drawImage(this.renderer.domElement, 0, 0, width, height, 0, 0, wide, tall);
  }
}

function drawsBySoftware() {
  const context = document.createElement("canvas").getContext("webgl2");
  if (!context) return true;
  const names = context.getExtension("WEBGL_debug_renderer_info");
  const name = context.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : context.RENDERER);
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name);
}
