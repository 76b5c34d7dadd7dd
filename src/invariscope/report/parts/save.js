"use strict";
// Figures are saved as they are drawn: SVG, or PNG at three times the size. Nothing is loaded.
const saving = (() => {
  const LARGER = 3;
  function download(name, address) {
    const link = document.createElement("a");
    link.download = name.replace(/[^\w.-]+/g, "-");
    link.href = address;
    link.click();
  }
  async function png(address, width, height) {
    const image = new Image(), canvas = document.createElement("canvas");
    image.src = address;
    await image.decode();
    canvas.width = LARGER * (width || image.naturalWidth);
    canvas.height = LARGER * (height || image.naturalHeight);
    const paper = canvas.getContext("2d");
    paper.fillStyle = "#fff";
    paper.fillRect(0, 0, canvas.width, canvas.height);
    paper.drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/png");
  }
  // `figure()` gives name, address and, where the picture does not say them, width and height.
  function offer(place, figure) {
    for (const kind of ["SVG", "PNG"]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `Save ${kind}`;
      button.dataset.save = kind;
      button.setAttribute("aria-label", `Save ${kind} of the figure ${figure().name}`);
      button.addEventListener("click", async () => {
        const { name, address, width, height } = figure();
        download(`${name}.${kind.toLowerCase()}`, kind === "SVG" ? address : await png(address, width, height));
      });
      place.append(button);
    }
  }
  document.querySelectorAll("figure.drawn").forEach((drawn) => {
    const place = document.createElement("figcaption");
    place.className = "controls";
    drawn.append(place);
    offer(place, () => ({ name: drawn.dataset.name, address: drawn.querySelector("img").src }));
  });
  return offer;
})();
