// Passkeys on the hosted pages. Everything that it says stands in the page already, hidden; it only shows it.
//
// <form method="post" data-passkey="authenticate" data-options="{…}" hidden>   or data-passkey="register"
//   <input type="hidden" name="response" autocomplete="off">
//   <button type="submit">…</button>
//   <p role="alert" data-passkey-error hidden>…</p>                            for every error
//   <p role="alert" data-passkey-error="InvalidStateError" hidden>…</p>        for one of them
// </form>
// <p data-passkey-missing>…</p>                                                for those without scripts or passkeys
//
// With data-conditional, passkeys are offered as the page's input with autocomplete="… webauthn" is filled in.
;(() => {
  const library = window.SimpleWebAuthnBrowser
  if (!library || !library.browserSupportsWebAuthn()) return

  const ceremonies = {
    authenticate: (optionsJSON, useBrowserAutofill) =>
      library.startAuthentication({ optionsJSON, useBrowserAutofill }),
    register: (optionsJSON) => library.startRegistration({ optionsJSON }),
  }

  for (const form of document.querySelectorAll('form[data-passkey]')) prepare(form, ceremonies[form.dataset.passkey])
  for (const note of document.querySelectorAll('[data-passkey-missing]')) note.hidden = true

  function prepare(form, ceremony) {
    const field = form.elements.namedItem('response')
    const buttons = form.querySelectorAll('button')
    const messages = form.querySelectorAll('[data-passkey-error]')
    const options = () => JSON.parse(form.dataset.options)

    const show = (error) => {
      const all = [...messages]
      const shown =
        error &&
        (all.find((message) => message.dataset.passkeyError === error.name) ??
          all.find((message) => message.dataset.passkeyError === ''))
      for (const message of all) message.hidden = message !== shown
    }
    const busy = (isBusy) => {
      for (const button of buttons) button.disabled = isBusy
    }
    const send = (response) => {
      field.value = JSON.stringify(response)
      form.submit()
    }

    // It waits for as long as the page is open; a ceremony that a button began ends it.
    const offer = async () => {
      try {
        if (await library.browserSupportsWebAuthnAutofill()) send(await ceremony(options(), true))
      } catch {
        // Nobody asked for it, so nobody is told.
      }
    }

    form.addEventListener('submit', async (event) => {
      event.preventDefault()
      show(undefined)
      busy(true)
      try {
        send(await ceremony(options(), false))
      } catch (error) {
        busy(false)
        show(error)
        if ('conditional' in form.dataset) offer()
      }
    })
    // A page that comes back out of the browser's memory is as it was left.
    window.addEventListener('pageshow', ({ persisted }) => {
      if (!persisted) return
      busy(false)
      if ('conditional' in form.dataset) offer()
    })

    form.hidden = false
    if ('conditional' in form.dataset) offer()
  }
})()
