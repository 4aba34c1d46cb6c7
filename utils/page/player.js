// The recording: its wave, and stretches of it that play.

export class Player {
  constructor(audio, canvas, tellTime) {
    this.audio = audio;
    this.canvas = canvas;
    this.until = Infinity;
    this.peaks = null;
    audio.ontimeupdate = () => {
      if (audio.currentTime >= this.until) this.#pause();
      tellTime(audio.currentTime);
      this.draw();
    };
    audio.onseeking = () => { if (Math.abs(audio.currentTime - this.wanted) > 0.05) this.until = Infinity; };
    canvas.onclick = (event) => {
      if (audio.duration) audio.currentTime = (event.offsetX / canvas.clientWidth) * audio.duration;
    };
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  async open(file) {
    if (this.audio.src) URL.revokeObjectURL(this.audio.src);
    this.audio.src = URL.createObjectURL(file);
    this.until = Infinity;
    this.peaks = null;
    this.draw();
    this.canvas.hidden = false;
    try {
      // A long recording would fill the memory with samples that nobody sees.
      if (file.size > 30e6) throw new RangeError("too large to draw");
      const context = new OfflineAudioContext(1, 1, 8000);
      const samples = (await context.decodeAudioData(await file.arrayBuffer())).getChannelData(0);
      const bars = 400, step = Math.max(1, Math.floor(samples.length / bars));
      this.peaks = Array.from({ length: bars }, (_, bar) => {
        let most = 0;
        for (let i = bar * step; i < Math.min((bar + 1) * step, samples.length); i += 4) most = Math.max(most, Math.abs(samples[i]));
        return most;
      });
      this.draw();
    } catch {
      this.canvas.hidden = true;
    }
  }

  play(start, end) {
    this.until = end;
    this.wanted = start;
    this.audio.currentTime = start;
    this.audio.play();
    // The event for the time comes a few times a second only.
    clearInterval(this.watch);
    this.watch = setInterval(() => { if (this.audio.currentTime >= this.until) this.#pause(); }, 20);
  }

  #pause() {
    clearInterval(this.watch);
    this.until = Infinity;
    this.audio.pause();
  }

  draw() {
    const { canvas, peaks } = this;
    const scale = devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    if (!peaks || !canvas.width) return;
    const style = getComputedStyle(document.documentElement);
    const pen = canvas.getContext("2d");
    const loudest = Math.max(...peaks, 0.05);
    const played = this.audio.duration ? this.audio.currentTime / this.audio.duration : 0;
    const bars = Math.min(peaks.length, Math.floor(canvas.clientWidth / 3));
    for (let bar = 0; bar < bars; bar++) {
      const from = Math.floor((bar * peaks.length) / bars), to = Math.max(from + 1, Math.floor(((bar + 1) * peaks.length) / bars));
      const height = Math.max(2 * scale, (Math.max(...peaks.slice(from, to)) / loudest) * canvas.height);
      pen.fillStyle = style.getPropertyValue(bar / bars < played ? "--main" : "--line");
      pen.fillRect((bar * canvas.width) / bars, (canvas.height - height) / 2, 2 * scale, height);
    }
  }
}
