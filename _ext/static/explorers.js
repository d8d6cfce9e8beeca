// The page form of an explorer: native inputs over frames that the build rendered. No kernel, no server, no library.
"use strict";

(() => {
  // One frame file: every different drawing once, and for each layer a table from settings to drawings.
  async function loadFrames(address) {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    // a host may have unpacked the file already; gzip starts with 1f 8b
    const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const stream = packed ? new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")) : null;
    return JSON.parse(stream ? await new Response(stream).text() : new TextDecoder().decode(bytes));
  }

  class Explorer {
    constructor(figure) {
      this.figure = figure;
      this.config = JSON.parse(figure.querySelector("script").textContent);
      this.sizes = this.config.pages.map((page) => page.length);
      this.inputs = this.config.names.map((name) => figure.querySelector(`[data-control="${name}"]`));
      this.outputs = this.inputs.map((input) => figure.querySelector(`output[for="${input.id}"]`));
      this.picture = figure.querySelector("svg.nu-picture");
      this.groups = [...this.picture.children];
      this.texts = [...figure.querySelectorAll(".nu-readout dd")];
      this.readout = figure.querySelector(".nu-readout");
      this.presets = [...figure.querySelectorAll("[data-preset]")];
      this.status = figure.querySelector("[data-status]");
      this.play = figure.querySelector("[data-play]");
      this.start = this.inputs.map((input) => Number(input.value));
      this.shown = [];
      figure.querySelector("form").hidden = false;
      figure.querySelector("[data-static]").hidden = true;
      for (const input of this.inputs)
        input.addEventListener("input", () => { if (input === this.stepper) this.stop(); this.update(); });
      figure.addEventListener("click", (event) => this.click(event));
      this.label();
    }

    get stepper() { return this.config.steps ? this.inputs.at(-1) : null; }

    load() {
      this.loading ??= loadFrames(this.config.frames).then(
        (frames) => { this.frames = frames; this.figure.dataset.ready = ""; this.update(); },
        (error) => { this.status.textContent = `The pictures could not be loaded (${error.message}); this is the default one.`; },
      );
      return this.loading;
    }

    // Row-major index of the present setting over some of the fixed controls.
    index(controls) {
      return controls.reduce((sum, i) => sum * this.sizes[i] + Number(this.inputs[i].value), 0);
    }

    click(event) {
      const button = event.target.closest("button");
      if (button?.dataset.preset) this.set(this.config.presets[button.dataset.preset]);
      else if (button && "reset" in button.dataset) this.set(this.start);
      else if (button && button === this.play) this.timer ? this.stop() : this.run();
      else {
        const target = event.target.closest("[data-set]");
        if (!target) return;
        const [name, value] = target.dataset.set.split("=");
        this.stop();
        this.figure.querySelector(`[data-control="${name}"]`).value = value;
        this.update();
      }
    }

    set(values) {
      this.stop();
      values.forEach((value, i) => {
        if (this.inputs[i] === this.stepper) this.stepper.max = this.frames ? this.last() : value;
        this.inputs[i].value = value;
      });
      this.update();
    }

    run() {
      const next = () => {
        const last = Number(this.stepper.max);
        this.stepper.value = Number(this.stepper.value) >= last ? 0 : Number(this.stepper.value) + 1;
        this.update();
      };
      this.readout.setAttribute("aria-live", "off");
      this.play.textContent = "Pause";
      this.play.setAttribute("aria-pressed", "true");
      this.timer = setInterval(next, 600);
      next();
    }

    stop() {
      if (!this.timer) return;
      clearInterval(this.timer);
      this.timer = null;
      this.play.textContent = "Play";
      this.play.setAttribute("aria-pressed", "false");
      this.readout.setAttribute("aria-live", "polite");
    }

    count() { return this.frames.counts[this.index(this.fixed)]; }

    last() { return Math.max(this.count(), 1) - 1; }

    get fixed() { return this.sizes.map((_, i) => i); }

    update() {
      if (!this.frames) { this.load(); this.label(); return; }
      if (this.stepper) {
        this.stepper.max = this.last(); // the browser clamps the value
        this.stepper.disabled = this.play.disabled = this.last() === 0;
        if (this.play.disabled) this.stop();
      }
      this.label();
      this.scheduled ??= requestAnimationFrame(() => { this.scheduled = null; this.draw(); });
    }

    draw() {
      const step = this.stepper ? Number(this.stepper.value) : 0;
      const drawing = (table) => {
        const run = table.runs[table.pointer[this.index(table.controls)]];
        return run.length === 1 ? run[0] : run[step];
      };
      this.frames.layers.forEach((table, i) => {
        const id = drawing(table);
        if (this.shown[i] === id) return;
        this.shown[i] = id;
        this.groups[i].innerHTML = table.drawings[id].map((line) => this.frames.lines[line]).join("");
      });
      if (this.frames.view) this.picture.setAttribute("viewBox", this.frames.view.drawings[drawing(this.frames.view)]);
      this.frames.readout.forEach((table, i) => {
        const text = table.drawings[drawing(table)];
        if (this.texts[i].textContent !== text) this.texts[i].textContent = text;
      });
      this.hold();
      // what is on screen now, for a test or a curious reader
      this.figure.dataset.shown = JSON.stringify(Object.fromEntries(this.config.names.map((name, i) => [name, this.value(i)])));
    }

    // A read-out that has been tall stays tall: what stands below it does not jump.
    hold() {
      if (this.width !== this.readout.offsetWidth) this.tallest = 0;
      this.width = this.readout.offsetWidth;
      if (this.readout.offsetHeight <= this.tallest) return;
      this.readout.style.minHeight = "";
      this.tallest = this.readout.offsetHeight;
      this.readout.style.minHeight = `${this.tallest}px`;
    }

    position() {
      if (this.frames && this.count() === 0) return "none";
      return `${Number(this.stepper.value) + 1} of ${Number(this.stepper.max) + 1}`;
    }

    value(i) {
      const at = Number(this.inputs[i].value);
      return this.inputs[i] === this.stepper ? at : this.config.pages[i][at];
    }

    // Mark the example that the fixed controls are set to, wherever the step is.
    mark() {
      this.presets.forEach((button, i) => {
        const same = this.fixed.every((j) => this.config.presets[i][j] === Number(this.inputs[j].value));
        button.setAttribute("aria-pressed", same);
      });
    }

    label() {
      this.mark();
      this.inputs.forEach((input, i) => {
        if (!this.outputs[i]) return;
        const text = input === this.stepper ? this.position() : this.value(i);
        this.outputs[i].textContent = String(text).replace(/^-/, "\u2212"); // a minus, not a hyphen
        input.setAttribute("aria-valuetext", text);
      });
    }
  }

  const explorers = new Map([...document.querySelectorAll(".nu-explorer")].map((figure) => [figure, new Explorer(figure)]));
  const watcher = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      watcher.unobserve(entry.target);
      explorers.get(entry.target).load();
    }),
    { rootMargin: "600px" },
  );
  explorers.forEach((_, figure) => watcher.observe(figure));
})();
