const FADE_SECONDS = 0.005;
const NAMES = ["before", "after", "removed"];
let context = null;
let songs = [];
let active = null;

class Song {
  constructor(root) {
    this.root = root;
    this.buttons = NAMES.map((name) => root.querySelector("[data-version=" + name + "]"));
    this.pictures = NAMES.map((name) => root.querySelector("[data-picture=" + name + "]"));
    this.toggleButton = root.querySelector(".toggle");
    this.slider = root.querySelector("input");
    this.seconds = Number(this.slider.max);
    this.place = 0;
    this.current = 1;
    this.strength = 1;
    this.sources = null;
    this.buffers = null;
    this.gains = null;
    this.buttons.forEach((button, index) => button.addEventListener("click", () => this.choose(index)));
    this.pictures.forEach((picture, index) => picture.addEventListener("click", (event) => {
      this.choose(index);
      this.seek(this.seconds * event.offsetX / picture.clientWidth);
    }));
    this.toggleButton.addEventListener("click", () => this.toggle());
    this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
    this.mark();
  }

  get position() {
    return this.sources ? Math.min(this.place + context.currentTime - this.began, this.seconds) : this.place;
  }

  async load() {
    context = context || new AudioContext();
    await context.resume();
    if (this.buffers) return;
    const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
    this.buffers = await Promise.all(this.buttons.map((button) => context.decodeAudioData(bytes(button.dataset.sound))));
    this.gains = this.buffers.map(() => {
      const gain = context.createGain();
      gain.connect(context.destination);
      return gain;
    });
    this.levels().forEach((level, index) => { this.gains[index].gain.value = level; });
  }

  // How loud each version is, for what is heard: of the noise only a share may be removed.
  levels() {
    const share = this.strength;
    return [[1, 0, 0], [1 - share, share, 0], [0, 0, share]][this.current];
  }

  fade() {
    if (!this.gains) return;
    this.levels().forEach((level, index) => {
      this.gains[index].gain.setTargetAtTime(level, context.currentTime, FADE_SECONDS);
    });
  }

  async play() {
    songs.forEach((song) => { if (song !== this) song.pause(); });
    active = this;
    if (!this.buffers || context.state !== "running") await this.load();
    if (active === this) this.start();
  }

  start() {
    if (this.sources) return;
    if (this.place >= this.seconds - 0.05) this.place = 0;
    this.began = context.currentTime;
    this.sources = this.buffers.map((buffer, index) => {
      const source = context.createBufferSource();
      source.buffer = buffer;
      source.connect(this.gains[index]);
      source.start(this.began, this.place);
      return source;
    });
    this.mark();
  }

  pause() {
    if (!this.sources) return;
    this.place = this.position;
    this.sources.forEach((source) => source.stop());
    this.sources = null;
    this.mark();
  }

  toggle() {
    if (this.sources) this.pause();
    else return this.play();
  }

  seek(seconds) {
    const plays = this.sources !== null;
    this.pause();
    this.place = Math.max(0, Math.min(seconds, this.seconds));
    active = this;
    if (plays) this.start();
  }

  choose(index) {
    this.current = index;
    active = this;
    this.fade();
    this.mark();
  }

  mark() {
    this.buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(index === this.current)));
    this.pictures.forEach((picture, index) => picture.classList.toggle("muted", index !== this.current));
    this.toggleButton.textContent = this.sources ? "Pause" : "Play";
  }

  draw() {
    if (this.sources && this.position >= this.seconds) this.pause();
    const place = this.position;
    this.slider.value = place;
    this.pictures.forEach((picture) => { picture.querySelector(".cursor").style.left = 100 * place / this.seconds + "%"; });
  }
}

function findSongs() {
  songs.forEach((song) => song.pause());
  songs = [...document.querySelectorAll(".song")].map((root) => new Song(root));
  active = songs[0] || null;
}

document.addEventListener("keydown", (event) => {
  if (!active || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, a, [type=file]")) return;
  if (event.key >= "1" && event.key <= "3") active.choose(Number(event.key) - 1);
  else if (event.key === " " && !event.target.closest("button, [type=checkbox]")) { event.preventDefault(); active.toggle(); }
  else if (event.target.tagName !== "INPUT" && event.key === "ArrowRight") active.seek(active.position + 5);
  else if (event.target.tagName !== "INPUT" && event.key === "ArrowLeft") active.seek(active.position - 5);
});

function draw() {
  songs.forEach((song) => song.draw());
  requestAnimationFrame(draw);
}
requestAnimationFrame(draw);
