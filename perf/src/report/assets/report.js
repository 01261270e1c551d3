// Hovering a chart: a vertical line, and each series' point nearest to it.
(() => {
  const tip = document.getElementById("tip");
  const NS = "http" + "://www.w3.org/2000/svg";
  for (const chart of document.querySelectorAll("svg.chart")) {
    const series = [...chart.querySelectorAll(".series")].map((g) => ({
      name: g.dataset.name,
      points: g.dataset.points.split("|").filter(Boolean).map((text) => {
        const [x, y, ...rest] = text.split(" ");
        return { x: +x, y: +y, text: rest.join(" ") };
      }),
    }));
    let line;
    const leave = () => { tip.hidden = true; line?.remove(); line = undefined; };
    chart.addEventListener("pointerleave", leave);
    chart.addEventListener("pointermove", (event) => {
      const box = chart.getBoundingClientRect();
      const view = chart.viewBox.baseVal;
      const x = ((event.clientX - box.left) / box.width) * view.width;
      const near = series.filter((s) => s.points.length).map((s) => {
        const p = s.points.reduce((a, b) => (Math.abs(b.x - x) < Math.abs(a.x - x) ? b : a));
        return { name: s.name, ...p };
      });
      if (!near.length) return leave();
      if (!line) {
        line = document.createElementNS(NS, "line");
        line.setAttribute("class", "cursor");
        line.setAttribute("y1", 12);
        line.setAttribute("y2", view.height - 40);
        chart.append(line);
      }
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      tip.textContent = near.map((p) => `${p.name}  ${p.text}`).join("\n");
      tip.hidden = false;
      const left = Math.min(event.clientX + 16, innerWidth - tip.offsetWidth - 8);
      const top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8);
      tip.style.left = `${left}px`;
      tip.style.top = `${top}px`;
    });
  }
})();
