"use strict";
// Draws /openapi.json. Text enters the page as text nodes only, never as markup.
(function () {
  const words = {
    zh: { fields: "参数", name: "名称", where: "位置", type: "类型", need: "必填", yes: "是", no: "否", about: "说明",
          answer: "返回", example: "示例请求", roles: "可用角色", meter: "计量", errors: "错误代码", status: "状态",
          detail: "含义", remedy: "处理", path: "路径", query: "查询", header: "请求头", body: "请求体", none: "无" },
    en: { fields: "Parameters", name: "Name", where: "In", type: "Type", need: "Required", yes: "yes", no: "no",
          about: "Notes", answer: "Answer", example: "Example request", roles: "Roles", meter: "Meter",
          errors: "Error codes", status: "Status", detail: "Meaning", remedy: "Remedy", path: "path", query: "query",
          header: "header", body: "body", none: "none" },
  };
  let language = (navigator.language || "zh").toLowerCase().startsWith("en") ? "en" : "zh";
  let description = null;

  function element(tag, text, attributes) {
    const made = document.createElement(tag);
    if (text !== undefined && text !== null) made.textContent = text;
    for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
    return made;
  }

  function resolve(schema) {
    if (schema && schema.$ref) return description.components.schemas[schema.$ref.split("/").pop()] || {};
    return schema || {};
  }

  function typeName(schema) {
    if (!schema) return "";
    if (schema.$ref) return schema.$ref.split("/").pop();
    if (schema.anyOf) return schema.anyOf.map(typeName).join(" | ");
    if (schema.enum) return schema.enum.join(" | ");
    if (schema.type === "array") return typeName(schema.items) + "[]";
    return [schema.type, schema.format || schema.contentEncoding].filter(Boolean).join(" ");
  }

  function notes(schema) {
    const seen = [];
    for (const key of ["description", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern", "default"]) {
      if (schema && schema[key] !== undefined && schema[key] !== null) {
        seen.push(key === "description" ? schema[key] : key + " " + JSON.stringify(schema[key]));
      }
    }
    return seen.join("; ");
  }

  function table(head, rows) {
    const made = element("table");
    const top = made.createTHead().insertRow();
    head.forEach((text) => top.append(element("th", text, { scope: "col" })));
    const body = made.createTBody();
    rows.forEach((cells) => {
      const row = body.insertRow();
      cells.forEach((text) => { row.insertCell().textContent = text; });
    });
    return made;
  }

  function fieldRows(operation, w) {
    const rows = operation.parameters.map((p) => [
      p.name, w[p.in], typeName(p.schema), p.required ? w.yes : w.no, notes(p.schema),
    ]);
    const json = operation.requestBody && operation.requestBody.content["application/json"];
    if (json) {
      const schema = resolve(json.schema);
      for (const [name, field] of Object.entries(schema.properties || {})) {
        rows.push([name, w.body, typeName(field), (schema.required || []).includes(name) ? w.yes : w.no, notes(field)]);
      }
    } else if (operation.requestBody) {
      rows.push(["", w.body, Object.keys(operation.requestBody.content).join(", "), w.yes, ""]);
    }
    return rows;
  }

  function curl(method, path, operation) {
    let filled = path;
    const query = [];
    for (const parameter of operation.parameters) {
      if (parameter.example === undefined) continue;
      if (parameter.in === "path") filled = filled.replace("{" + parameter.name + "}", encodeURIComponent(parameter.example));
      if (parameter.in === "query") query.push(parameter.name + "=" + encodeURIComponent(parameter.example));
    }
    const json = operation.requestBody && operation.requestBody.content["application/json"];
    const lines = [method.toUpperCase() + " " + filled + (query.length ? "?" + query.join("&") : "")];
    if (json) lines.push("content-type: application/json", "", JSON.stringify(json.example, null, 2));
    return lines.join("\n");
  }

  function article(path, method, operation) {
    const w = words[language];
    const made = element("article", null, { id: operation.operationId });
    made.append(element("h3", language === "zh" ? operation.summary : operation["x-summary-en"]));
    const route = element("p", null, { class: "route" });
    route.append(element("span", method.toUpperCase(), { class: "method" }), " " + path + "  ·  " + operation.operationId);
    made.append(route);
    const about = language === "zh" ? operation.description : operation["x-description-en"];
    if (about) made.append(element("p", about));
    const rows = fieldRows(operation, w);
    if (rows.length) made.append(table([w.name, w.where, w.type, w.need, w.about], rows));
    made.append(element("h4", w.example), element("pre", curl(method, path, operation)));
    const json = operation.responses["200"].content["application/json"];
    if (json) {
      const schema = resolve(json.schema);
      const answers = Object.entries(schema.properties || {}).map(([name, field]) => [name, typeName(field), notes(field)]);
      made.append(element("h4", w.answer + " " + typeName(json.schema)));
      if (answers.length) made.append(table([w.name, w.type, w.about], answers));
    }
    const facts = w.roles + ": " + (operation["x-miyun-roles"].join(", ") || w.none) +
      (operation["x-miyun-meter"] ? "  ·  " + w.meter + ": " + operation["x-miyun-meter"] : "");
    made.append(element("p", facts, { class: "facts" }));
    return made;
  }

  function draw() {
    const w = words[language];
    const wanted = document.getElementById("find").value.trim().toLowerCase();
    const contents = document.getElementById("contents");
    const main = document.getElementById("operations");
    contents.replaceChildren();
    main.replaceChildren();
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    document.querySelectorAll("[data-zh]").forEach((node) => { node.textContent = node.dataset[language]; });
    const button = document.getElementById("language");
    button.textContent = language === "zh" ? "English" : "中文";
    button.lang = language === "zh" ? "en" : "zh-CN";
    for (const tag of description.tags) {
      const title = (language === "zh" ? tag.description : tag["x-description-en"]) || tag.name;
      const links = [];
      for (const [path, methods] of Object.entries(description.paths)) {
        for (const [method, operation] of Object.entries(methods)) {
          if (!operation.tags.includes(tag.name)) continue;
          const text = [path, operation.operationId, operation.summary, operation["x-summary-en"]].join(" ").toLowerCase();
          if (wanted && !text.includes(wanted)) continue;
          links.push(element("a", language === "zh" ? operation.summary : operation["x-summary-en"], { href: "#" + operation.operationId }));
          main.append(article(path, method, operation));
        }
      }
      if (links.length) contents.append(element("h2", title), ...links);
    }
    if (!wanted) {
      const made = element("article", null, { id: "errors" });
      const rows = Object.entries(description["x-miyun-errors"]).map(([code, error]) => [
        code, String(error.status), error[language].detail, error[language].remedy,
      ]);
      made.append(element("h3", w.errors), table([w.name, w.status, w.detail, w.remedy], rows));
      main.append(made);
      contents.append(element("h2", w.errors), element("a", w.errors, { href: "#errors" }));
    }
  }

  document.getElementById("find").addEventListener("input", draw);
  document.getElementById("language").addEventListener("click", () => {
    language = language === "zh" ? "en" : "zh";
    draw();
  });
  fetch("/openapi.json").then((answer) => answer.json()).then((found) => {
    description = found;
    draw();
    if (location.hash) location.hash = location.hash;
  });
})();
