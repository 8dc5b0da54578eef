/** The shell: rail or bar, the page that the address names, the banner of a lost connection, dialogs and notices. */
import { effect, signal } from "@preact/signals";
import type { ComponentType, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import "./app.css";
import { connection, liveHello, restarts, retryNow } from "./lib/live.ts";
import { apiKey, askKey, keyQuestion, setKey } from "./lib/key.ts";
import { formatRoute, navigate, PAGES, route, type PageName } from "./lib/router.ts";
import { addShortcuts, shortcuts, type Shortcut } from "./lib/shortcuts.ts";
import { shownTheme, switchTheme } from "./lib/theme.ts";
import { PAGE_ENTRIES } from "./pages/registry.ts";
import { Button, IconButton } from "./ui/button.tsx";
import { Dialog } from "./ui/dialog.tsx";
import { TextInput } from "./ui/field.tsx";
import { Icon } from "./ui/icon.tsx";
import { Problem } from "./ui/page-head.tsx";
import { toast, Toasts } from "./ui/toast.tsx";

const isListShown = signal(false);
const pages = signal<Partial<Record<PageName, ComponentType>>>({});
const failedPage = signal<PageName | null>(null);

/** Loads a page's chunk once; a failure can be tried again. */
async function loadPage(name: PageName): Promise<void> {
  if (pages.peek()[name] !== undefined) return;
  try {
    const { Page } = await PAGE_ENTRIES[name].load();
    pages.value = { ...pages.peek(), [name]: Page };
    failedPage.value = null;
  } catch {
    failedPage.value = name; // the server is gone, or was replaced by one with other files
  }
}

/** The other pages are fetched once the first one stands, so that they open at once, also while the server is away. */
const PREFETCH_AFTER_MS = 2000;

function prefetchPages(): void {
  // A page that cannot be had now is asked for again when it is opened.
  for (const name of PAGES) void PAGE_ENTRIES[name].load().catch(() => undefined);
}

/** Starts what the shell does beside rendering; call once. */
export function startShell(): void {
  effect(() => {
    const { page } = route.value;
    document.title = `${PAGE_ENTRIES[page].title} · Punctual`;
    void loadPage(page);
  });
  setTimeout(prefetchPages, PREFETCH_AFTER_MS);
  let known = 0;
  effect(() => {
    if (restarts.value > known) toast("The server was restarted. What it remembered before is gone.");
    known = restarts.value;
  });
  const goTo = PAGES.map((name): Shortcut => {
    const { key, title } = PAGE_ENTRIES[name];
    return { keys: `g ${key}`, does: title, group: "Go to", run: () => navigate(name) };
  });
  addShortcuts([
    ...goTo,
    { keys: "?", does: "This list", group: "Everywhere", run: () => (isListShown.value = true) },
    { keys: "t", does: "Light or dark", group: "Everywhere", run: switchTheme },
  ]);
}

/** The whole console. */
export function App(): JSX.Element {
  return (
    <div class="shell">
      <a class="skip" href={`#main`} onClick={focusMain}>
        To the page
      </a>
      <Rail />
      <TopBar />
      <Banner />
      <CurrentPage />
      <Toasts />
      {isListShown.value ? <ShortcutList /> : null}
      {keyQuestion.value === null ? null : <KeyDialog />}
    </div>
  );
}

function focusMain(event: Event): void {
  event.preventDefault(); // the fragment is the page's address
  document.getElementById("main")?.focus();
}

function Rail(): JSX.Element {
  const { page } = route.value;
  return (
    <div class="rail">
      <div class="brand">
        Punctual<span>.</span>
      </div>
      <nav class="nav" aria-label="Pages">
        {PAGES.map((name) => (
          <a key={name} href={formatRoute(name)} aria-current={name === page ? "page" : undefined}>
            <Icon name={PAGE_ENTRIES[name].icon} />
            {PAGE_ENTRIES[name].title}
          </a>
        ))}
      </nav>
      <div class="rail-foot">
        <LinkState />
        <Tools />
      </div>
    </div>
  );
}

/** On phones the rail is a bar at the bottom, and what else it holds goes here. */
function TopBar(): JSX.Element {
  return (
    <div class="topbar">
      <div class="brand">
        Punctual<span>.</span>
      </div>
      <LinkState />
      <Tools />
    </div>
  );
}

function Tools(): JSX.Element {
  return (
    <div class="rail-tools">
      <ThemeButton />
      <IconButton icon="help" label="Keyboard shortcuts (?)" onClick={() => (isListShown.value = true)} />
      {apiKey.value === null ? null : <IconButton icon="key" label="Forget the key" onClick={() => setKey(null)} />}
    </div>
  );
}

function ThemeButton(): JSX.Element {
  const isDark = shownTheme.value === "dark";
  return <IconButton icon={isDark ? "sun" : "moon"} label={isDark ? "Light" : "Dark"} onClick={switchTheme} />;
}

const LINK_TEXTS = { connecting: "connecting", open: "connected", lost: "reconnecting", locked: "key needed" } as const;

function LinkState(): JSX.Element {
  const version = liveHello.value?.serverVersion;
  const state = connection.value;
  return (
    <div class="link-state" data-state={state}>
      <i aria-hidden="true" />
      {LINK_TEXTS[state]}
      {version === undefined || state !== "open" ? "" : ` · ${version}`}
    </div>
  );
}

/** A connection that comes back at once is not worth a word. */
const BANNER_DELAY_MS = 600;

function Banner(): JSX.Element | null {
  const state = connection.value;
  const isWrong = state === "lost" || state === "locked";
  const [isDue, setDue] = useState(false);
  useEffect(() => {
    if (!isWrong) return setDue(false);
    const timer = setTimeout(() => setDue(true), BANNER_DELAY_MS);
    return () => clearTimeout(timer);
  }, [isWrong]);
  if (!isWrong || !isDue) return null;
  if (state === "locked") {
    return (
      <div class="banner" role="status">
        <span>This server asks for a key.</span>
        <Button isSmall onClick={() => void askKey(apiKey.peek()).then(retryNow)}>
          Give one
        </Button>
      </div>
    );
  }
  return (
    <div class="banner" role="status">
      <span>The connection to the server is lost. Reconnecting…</span>
      <Button isSmall onClick={retryNow}>
        Try now
      </Button>
    </div>
  );
}

function CurrentPage(): JSX.Element {
  const { page } = route.value;
  const Page = pages.value[page];
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    main.current?.scrollTo(0, 0);
  }, [page]);
  return (
    <main id="main" class="page" ref={main} tabIndex={-1}>
      {Page !== undefined ? <Page /> : failedPage.value === page ? <PageFailed name={page} /> : <PageWait />}
    </main>
  );
}

function PageWait(): JSX.Element {
  return <p class="page-wait">Loading…</p>;
}

function PageFailed({ name }: { readonly name: PageName }): JSX.Element {
  return (
    <div class="page-column">
      <Problem title="This page could not be loaded.">
        <p>The server is away, or was replaced by another version.</p>
        <div class="row">
          <Button isSmall onClick={() => void loadPage(name)}>
            Try again
          </Button>
          <Button isSmall onClick={() => location.reload()}>
            Reload the console
          </Button>
        </div>
      </Problem>
    </div>
  );
}

function ShortcutList(): JSX.Element {
  const groups = [...new Set(shortcuts.value.map(({ group }) => group))].toSorted();
  return (
    <Dialog title="Keyboard shortcuts" onClose={() => (isListShown.value = false)}>
      {groups.map((group) => (
        <section key={group}>
          <h3>{group}</h3>
          <dl class="shortcut-list">
            {shortcuts.value
              .filter((shortcut) => shortcut.group === group)
              .map(({ keys, does }) => (
                <div key={keys}>
                  <dt>
                    {keys.split(" ").map((key, i) => (
                      <kbd key={i}>{key}</kbd>
                    ))}
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
          </dl>
        </section>
      ))}
    </Dialog>
  );
}

function KeyDialog(): JSX.Element {
  const [text, setText] = useState("");
  const question = keyQuestion.value!;
  return (
    <Dialog title="This server asks for a key" onClose={() => question.answer(null)}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() !== "") question.answer(text.trim());
        }}
      >
        <TextInput
          label="Key"
          isSecret
          value={text}
          onInput={setText}
          error={question.wasRefused ? "The server did not take the last one." : null}
          hint="It is kept in this tab until you close it, and sent to this server only."
        />
        <div class="row">
          <Button kind="accent" type="submit" isDisabled={text.trim() === ""}>
            Use this key
          </Button>
          <Button kind="quiet" onClick={() => question.answer(null)}>
            Not now
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
