// A form that is signed with a key of the reader's own machine. The key agent there (sof.js) holds the key and is given
// the PIN; certificate and signature are all that is sent on.
(function () {
  "use strict";
  function prepare(form) {
    var said = form.querySelector("[data-said]"), choice = form.querySelector("[data-certificates]");
    var pin = form.querySelector("[data-pin]"), words = form.dataset, sof = window.MiyunSof, turn = 0;

    function say(text, link) {
      said.textContent = text;
      said.hidden = !text;
      if (link) {
        var anchor = document.createElement("a");
        anchor.href = link;
        anchor.target = "miyun-consent";
        anchor.textContent = words.consentLink;
        said.append(" ", anchor);
      }
    }
    function ask(address) {
      say(words.consent, address);
      window.open(address, "miyun-consent", "popup,width=620,height=560");
    }
    function told(error) {
      if (error.retries === 0) { return words.locked; }
      return error.retries > 0 ? words.wrongPin.replace("{n}", error.retries) : error.message;
    }
    function read() {
      say("");
      sof.users().then(function (users) {
        choice.textContent = "";
        users.forEach(function (user) {
          var option = document.createElement("option");
          option.textContent = user.name;
          option.value = user.certID;
          choice.appendChild(option);
        });
        if (!choice.options.length) { say(words.noCertificate); }
      }).catch(function (error) {
        choice.textContent = "";
        say(told(error));
      });
    }
    form.addEventListener("submit", function (event) {
      var container = choice.value, mine = turn += 1;
      event.preventDefault();
      sof.cancel();
      say("");
      sof.onConsent = ask;
      if (!container) { say(words.noCertificate); return; }
      sof.login(container, pin.value).then(function () {
        pin.value = "";
        return sof.certificate(container);
      }).then(function (certificate) {
        form.elements.key_certificate.value = certificate;
        return sof.sign(container, words.message);
      }).then(function (signature) {
        form.elements.key_signature.value = signature;
        form.submit();
      }).catch(function (error) {
        if (mine !== turn) { return; }
        pin.value = "";
        pin.focus();
        say(told(error));
      });
    });
    form.querySelector("[data-again]").addEventListener("click", read);
    if (words.waits) { choice.addEventListener("focus", read, { once: true }); } else { read(); }
  }
  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("form.key").forEach(prepare);
  });
}());
