/** The request as something to paste, and the conversation as a file. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { addressOf } from "../../lib/api.ts";
import { apiKey } from "../../lib/key.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { download } from "./conversation-list.tsx";
import { exportCurl, exportTypeScript } from "./export-code.ts";
import { CodeBlock } from "./markdown-view.tsx";
import { exportFile, nextBody } from "./session.ts";

/** The dialog. `text` is what stands in the composer: it is the message that is exported, else the last one. */
export function ExportDialog(props: {
  readonly id: string;
  readonly text: string;
  readonly onClose: () => void;
}): JSX.Element {
  const [language, setLanguage] = useState<"curl" | "typescript">("curl");
  const body = nextBody(props.id, props.text);
  const target = { origin: addressOf("").replace(/\/$/, ""), asksForKey: apiKey.value !== null };
  const code = language === "curl" ? exportCurl(body, target) : exportTypeScript(body, target);
  return (
    <Dialog title="Export" isWide onClose={props.onClose}>
      <div class="row">
        <Button isSmall isPressed={language === "curl"} onClick={() => setLanguage("curl")}>
          curl
        </Button>
        <Button isSmall isPressed={language === "typescript"} onClick={() => setLanguage("typescript")}>
          TypeScript
        </Button>
        <span class="spread">
          <Button
            isSmall
            icon="download"
            onClick={() => download("punctual-conversation.json", exportFile([props.id]))}
          >
            Conversation as JSON
          </Button>
        </span>
      </div>
      <CodeBlock language={language} text={code} />
      <p class="small soft">
        {language === "typescript" ? "It needs the package openai. " : ""}
        {target.asksForKey ? "It takes the key from PUNCTUAL_API_KEY." : ""}
      </p>
    </Dialog>
  );
}
