/** Buttons: with text, or an icon whose label is read out and shown as a tip. */
import type { ComponentChildren, JSX } from "preact";
import { Icon, type IconName } from "./icon.tsx";

/** How much a button asks to be pressed. */
export type ButtonKind = "plain" | "accent" | "quiet" | "bad";

/** What every button takes. */
export interface ButtonProps {
  readonly kind?: ButtonKind;
  readonly icon?: IconName;
  readonly isDisabled?: boolean;
  readonly isSmall?: boolean;
  readonly type?: "button" | "submit";
  /** A tip, for more than the text says. */
  readonly title?: string | undefined;
  /** True or false makes it a switch that is told as pressed or not. */
  readonly isPressed?: boolean;
  readonly onClick?: () => void;
  readonly children?: ComponentChildren;
}

/** A button with a text. */
export function Button(props: ButtonProps): JSX.Element {
  const {
    kind = "plain",
    icon,
    isDisabled = false,
    isSmall = false,
    type = "button",
    title,
    isPressed,
    onClick,
  } = props;
  return (
    <button
      type={type}
      class={`button button-${kind}${isSmall ? " button-small" : ""}`}
      disabled={isDisabled}
      title={title}
      aria-pressed={isPressed}
      onClick={onClick}
    >
      {icon === undefined ? null : <Icon name={icon} size={isSmall ? 15 : 17} />}
      {props.children}
    </button>
  );
}

/** A button that shows only an icon. */
export function IconButton(
  props: Omit<ButtonProps, "children" | "icon" | "title"> & { readonly icon: IconName; readonly label: string },
): JSX.Element {
  const {
    kind = "quiet",
    icon,
    label,
    isDisabled = false,
    isSmall = false,
    type = "button",
    isPressed,
    onClick,
  } = props;
  return (
    <button
      type={type}
      class={`button button-icon button-${kind}${isSmall ? " button-small" : ""}`}
      disabled={isDisabled}
      title={label}
      aria-label={label}
      aria-pressed={isPressed}
      onClick={onClick}
    >
      <Icon name={icon} size={isSmall ? 16 : 18} />
    </button>
  );
}
