// For people without a mouse or without sight: the sidebar's headings say their level, and what
// scrolls sideways can be reached by keyboard.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[role=heading]:not([aria-level])").forEach((heading) => heading.setAttribute("aria-level", "2"));
  const reach = () => document.querySelectorAll(".highlight pre, div.output, .table-wrapper").forEach((block) => {
    if (block.scrollWidth > block.clientWidth) block.tabIndex = 0;
  });
  reach();
  addEventListener("resize", reach);
});
