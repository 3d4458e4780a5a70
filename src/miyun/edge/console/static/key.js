// A form that is signed with a key of the reader's own machine. The key agent there holds the key and is given the PIN;
// certificate and signature are all that is sent on.
(function () {
  "use strict";
  function prepare(form) {
    var said = form.querySelector("[data-said]"), choice = form.querySelector("[data-certificates]");
    var pin = form.querySelector("[data-pin]"), words = form.dataset;
    var zh = document.documentElement.lang !== "en";

    function say(text) {
      said.textContent = text;
      said.hidden = !text;
    }
    function ask(method, values) {
      return fetch(words.agent + "/sof/" + method, {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(values), credentials: "omit"
      }).then(function (answer) { return answer.json(); }, function () {
        throw new Error(words.noAgent);
      }).then(function (answer) {
        if (answer.code !== 0) {
          var message = answer.message || {};
          throw new Error((zh ? message.zh : message.en) || method + ": " + answer.code);
        }
        return answer.value;
      });
    }
    // "name||container&&&name||container&&&" (GM/T 0020)
    function users(list) {
      return String(list || "").split("&&&").filter(Boolean).map(function (item) { return item.split("||"); });
    }
    function read() {
      say("");
      ask("SOF_GetUserList", []).then(function (list) {
        choice.textContent = "";
        users(list).forEach(function (user) {
          var option = document.createElement("option");
          option.textContent = user[0];
          option.value = user[1];
          choice.appendChild(option);
        });
        if (!choice.options.length) { say(words.noCertificate); }
      }).catch(function (error) { say(error.message); });
    }
    function login(container) {
      return ask("SOF_Login", [container, pin.value]).catch(function (error) {
        return ask("SOF_GetPinRetryCount", [container]).then(function (left) {
          throw new Error(Number(left) > 0 ? words.wrongPin.replace("{n}", left) : words.locked);
        }, function () { throw error; });
      });
    }
    form.addEventListener("submit", function (event) {
      var container = choice.value;
      event.preventDefault();
      say("");
      if (!container) { say(words.noCertificate); return; }
      login(container).then(function () {
        pin.value = "";
        return ask("SOF_ExportUserCert", [container]);
      }).then(function (certificate) {
        form.elements.certificate.value = certificate;
        return ask("SOF_SignData", [container, words.message]);
      }).then(function (signature) {
        form.elements.signature.value = signature;
        form.submit();
      }).catch(function (error) {
        pin.value = "";
        pin.focus();
        say(error.message);
      });
    });
    form.querySelector("[data-again]").addEventListener("click", read);
    read();
  }
  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("form.key").forEach(prepare);
  });
}());
