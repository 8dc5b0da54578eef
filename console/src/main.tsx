/** Where the console begins: theme, address, keys, feed, then the first render. */
import { render } from "preact";
import "./theme.css";
import "./ui/ui.css";
import { App, startShell } from "./app.tsx";
import { startLive } from "./lib/live.ts";
import { followAddress } from "./lib/router.ts";
import { listenToKeys } from "./lib/shortcuts.ts";
import { startTheme } from "./lib/theme.ts";

startTheme();
followAddress();
listenToKeys();
startShell();
startLive();
render(<App />, document.getElementById("app")!);
