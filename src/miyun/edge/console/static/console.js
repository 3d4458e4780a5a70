// Charts are drawn from the table that follows each: the table is the truth and works without this script.
(function () {
  "use strict";
  function draw() {
    if (!window.echarts) { return; }
    document.querySelectorAll("[data-chart]").forEach(function (place) {
      var table = document.getElementById(place.dataset.chart);
      var names = [], series = {}, count = 0;
      var heads = Array.prototype.map.call(table.querySelectorAll("thead th"), function (th) { return th.textContent.trim(); });
      table.querySelectorAll("tbody tr").forEach(function (row) {
        var cells = row.children;
        names.push(cells[0].textContent.trim());
        for (var i = 1; i < cells.length; i += 1) {
          if (cells[i].dataset.value !== undefined) {
            (series[heads[i]] = series[heads[i]] || [])[count] = Number(cells[i].dataset.value);
          }
        }
        count += 1;
      });
      var chart = window.echarts.init(place, null, { renderer: "svg" });
      var style = window.getComputedStyle(document.documentElement);
      var ink = style.getPropertyValue("--text").trim(), axis = { axisLabel: { color: ink } };
      chart.setOption({
        textStyle: { color: ink },
        aria: { enabled: true, decal: { show: true } },
        animation: false,
        grid: { left: 60, right: 20, top: 40, bottom: 40 },
        tooltip: { trigger: "axis" },
        legend: { top: 4, textStyle: { color: ink } },
        xAxis: Object.assign({ type: "category", data: names }, axis),
        yAxis: Object.assign({ type: "value", minInterval: 1 }, axis),
        series: Object.keys(series).map(function (name) {
          return { name: name, type: place.dataset.kind || "bar", data: series[name], barMaxWidth: 34, stack: place.dataset.stack || undefined };
        })
      });
      window.addEventListener("resize", function () { chart.resize(); });
    });
  }
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (!button || !navigator.clipboard) { return; }
    navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent).then(function () {
      button.textContent = button.dataset.done;
    });
  });
  // What is sent is sent once, however often the button is pressed, and seen to be under way until the answer comes.
  document.addEventListener("submit", function (event) {
    var form = event.target, question = form.dataset.confirm;
    if (event.defaultPrevented) { return; }
    if (form.dataset.sent || (question && !window.confirm(question))) { event.preventDefault(); return; }
    if (form.method !== "post" || form.dataset.file !== undefined) { return; }
    form.dataset.sent = "yes";
    document.body.dataset.busy = "yes";
  });
  window.addEventListener("pageshow", function () {
    delete document.body.dataset.busy;
    document.querySelectorAll("form[data-sent]").forEach(function (form) { delete form.dataset.sent; });
  });
  if (document.readyState === "loading") { document.addEventListener("DOMContentLoaded", draw); } else { draw(); }
}());
