/** Commands about light in the rooms of the house: lamps and blinds. */
import { blinds, roomFlag, roomNumber, type Command } from "./command-draws.ts";
import { frames } from "./templates.ts";

export const LIGHT_COMMANDS: readonly Command[] = [
  {
    tool: "set_light",
    draw: roomFlag("on", true),
    confirm: "Okay, the {room} light is on.",
    family: frames(`
      !Turn on the {room} light.
      !Switch the light on in the {room}.
      It is too dark in the {room}.
      !Turn the {room} lights on.
      !Switch on the lights in the {room}.
      I need light in the {room}.
      !Make some light in the {room}.
      Lights on in the {room}.
      !Put the {room} light on.
      Light on in the {room}.
      ~!Switch the {room} light on.
      ~!Turn on the lights in the {room}.
      The {room} is very dark.
      !Switch on the {room} lights.
      I want the lights on in the {room}.
      The {room} light should be on.
      !Get the lights on in the {room}.
      The {room} needs some light.
      I cannot see in the {room}, turn on the light.
      !Turn the light on in the {room}.
      It is dark in the {room}, I need some light.
      ~I want the {room} light on.
      ~The {room} is too dark.
      ~It is very dark in the {room}, switch on the light.
      !Give me light in the {room}.
      ?!Give the {room} some light.
      ?!Have the {room} light on.
      !Get some light into the {room}.
      !Make the {room} bright.
      !Make it bright in the {room}.
      !Leave the {room} light on.
      !Leave the light on in the {room}.
      !Keep the lights on in the {room}.
      !Keep the {room} lights on for me.
      In the {room}, turn on the light.
      ?In the {room}, switch the lights on.
      ?For the {room}: lights on.
      The lights in the {room} should be on.
      The light in the {room} has to be on.
      I would like light in the {room}.
      ?I would like the {room} lights on.
      ?We need light in the {room}.
      We want the light on in the {room}.
      There is no light in the {room}, turn it on.
      I am going to the {room}, switch on the light.
      I am in the {room} and it is dark.
      I am in the {room}, I need the light on.
      Somebody is in the {room}, turn the lights on.
      I cannot see a thing in the {room}.
      Why is it so dark in the {room}? Turn on the light.
      Is the {room} light on? If not, switch it on.
      {room} lights on.`),
  },
  {
    tool: "set_light",
    draw: roomFlag("on", false),
    confirm: "Okay, the {room} light is off.",
    family: frames(`
      !Turn off the {room} light.
      !Switch the light off in the {room}.
      It is too bright in the {room}.
      !Turn the {room} lights off.
      !Switch off the lights in the {room}.
      I need no light in the {room}.
      Nobody needs the light in the {room}.
      Lights off in the {room}.
      !Put the {room} light out.
      Light off in the {room}.
      ~!Switch the {room} light off.
      ~!Turn off the lights in the {room}.
      The {room} is very bright.
      !Switch off the {room} lights.
      I want the lights off in the {room}.
      The {room} light should be off.
      !Get the lights off in the {room}.
      The {room} needs no light.
      I left the light on in the {room}, turn it off.
      !Turn the light off in the {room}.
      It is bright in the {room}, I need no light.
      ~I want the {room} light off.
      ~The {room} is too bright.
      ~Nobody is in the {room}, turn off the light.
      Nobody is in the {room}, switch the lights off.
      !Have the {room} light off.
      !Make the {room} dark.
      !Make it dark in the {room}.
      !Leave the {room} light off.
      !Leave the light off in the {room}.
      ?!Keep the lights off in the {room}.
      !Put out the light in the {room}.
      !Put the lights out in the {room}.
      !Take the light off in the {room}.
      ?In the {room}, turn off the light.
      In the {room}, switch the lights off.
      ?For the {room}: lights off.
      The lights in the {room} should be off.
      ?The light in the {room} has to be off.
      I would like no light in the {room}.
      ?I would like the {room} lights off.
      We need no light in the {room}.
      We do not need the {room} light.
      We want the light off in the {room}.
      There is too much light in the {room}, turn it off.
      I am leaving the {room}, switch off the light.
      I am in the {room} and it is too bright.
      I go to sleep in the {room}, lights off.
      The {room} is empty, turn the lights off.
      ?I forgot the light in the {room}, turn it off.
      Is the {room} light off? If not, switch it off.
      Why is it so bright in the {room}? Turn off the light.
      {room} lights off.`),
  },
  {
    tool: "dim_light",
    draw: roomNumber("percent", 1, 9, 10),
    confirm: "Okay, the {room} light is at {value} percent.",
    family: frames(`
      !Dim the {room} light to {value} percent.
      !Set the light in the {room} to {value} percent.
      !Make the {room} light {value} percent bright.
      {room} light at {value} percent.
      !Dim the light in the {room} to {value} percent.
      !Put the {room} lights at {value} percent.
      !Set the {room} light to {value} percent.
      ~!Put the light in the {room} at {value} percent.
      !Turn the {room} light to {value} percent.
      !Turn the lights in the {room} down to {value} percent.
      ~!Turn the {room} lights down to {value} percent.
      The {room} light should be at {value} percent.
      I want {value} percent light in the {room}.
      ~I want the {room} light at {value} percent.
      Light in the {room} at {value} percent.
      !Bring the {room} lights to {value} percent.
      ~!Bring the light in the {room} to {value} percent.
      !Change the {room} light to {value} percent.
      The light in the {room} should be {value} percent bright.
      !Dim the {room} to {value} percent.
      I need the {room} light at {value} percent.
      ~!Dim the {room} lights to {value} percent.
      !Make the light in the {room} {value} percent.
      !Make the {room} {value} percent bright.
      !Give me {value} percent light in the {room}.
      !Give the {room} {value} percent light.
      ?!Take the {room} light to {value} percent.
      !Get the lights in the {room} to {value} percent.
      !Turn the light in the {room} to {value}.
      !Set the {room} lights to {value}.
      !Set the lights in the {room} at {value} percent.
      !Dim the lights in the {room} to {value}.
      !Dim it to {value} percent in the {room}.
      !Keep the {room} light at {value} percent.
      !Turn down the {room} light to {value} percent.
      In the {room}, dim the light to {value} percent.
      In the {room}, the light should be at {value} percent.
      For the {room}: light at {value} percent.
      {value} percent light in the {room}.
      ?{value} percent for the {room} light.
      ?The lights in the {room} should be at {value} percent.
      The {room} should be {value} percent bright.
      ?I would like {value} percent light in the {room}.
      I would like the {room} lights at {value} percent.
      We need the light in the {room} at {value} percent.
      We want {value} percent in the {room}, dim the light.
      It is too bright in the {room}, dim it to {value} percent.
      ?The {room} is too bright, set the light to {value} percent.
      The {room} light is too bright, make it {value} percent.
      {value} percent is enough light for the {room}.`),
  },
  {
    tool: "set_blinds",
    draw: blinds("down"),
    confirm: "Okay, the {room} blinds are down.",
    family: frames(`
      !Lower the blinds in the {room}.
      !Close the {room} blinds.
      !Put the blinds down in the {room}.
      Blinds down in the {room}.
      !Put down the {room} blinds.
      !Close the blinds in the {room}.
      !Lower the {room} blinds.
      !Put the {room} blinds down.
      ~!Let the {room} blinds down.
      !Let down the blinds in the {room}.
      !Pull down the blinds in the {room}.
      ~!Pull the {room} blinds down.
      !Shut the {room} blinds.
      ~!Shut the blinds in the {room}.
      I want the blinds down in the {room}.
      I want the {room} blinds closed.
      ~I want the blinds closed in the {room}.
      The {room} blinds should be down.
      The blinds in the {room} should be closed.
      ~The blinds in the {room} should be down.
      !Bring the blinds down in the {room}.
      !Get the {room} blinds down.
      !Get the blinds down in the {room}.
      !Have the blinds down in the {room}.
      !Keep the {room} blinds down.
      !Keep the blinds closed in the {room}.
      !Leave the {room} blinds closed.
      !Let the blinds down in the {room}.
      !Move the blinds down in the {room}.
      !Move the {room} blinds down.
      !Bring down the blinds in the {room}.
      !Close all blinds in the {room}.
      !Close the blinds of the {room}.
      ?!Put the blinds of the {room} down.
      !Make sure the {room} blinds are closed.
      ?In the {room}, close the blinds.
      In the {room}, blinds down.
      ?For the {room}: blinds down.
      {room} blinds down.
      The {room} blinds should be closed.
      The blinds in the {room} have to be down.
      ?I would like the {room} blinds down.
      ?I would like the blinds closed in the {room}.
      I need the blinds down in the {room}.
      We want the {room} blinds closed.
      It is too bright in the {room}, close the blinds.
      The sun is in the {room}, lower the blinds.
      Are the {room} blinds open? Then close them.
      Nobody should see into the {room}, close the blinds.`),
  },
  {
    tool: "set_blinds",
    draw: blinds("up"),
    confirm: "Okay, the {room} blinds are up.",
    family: frames(`
      !Raise the blinds in the {room}.
      !Open the {room} blinds.
      !Put the blinds up in the {room}.
      Blinds up in the {room}.
      !Put up the {room} blinds.
      !Open the blinds in the {room}.
      !Raise the {room} blinds.
      !Put the {room} blinds up.
      ~!Bring the {room} blinds up.
      !Lift the blinds in the {room}.
      !Pull up the blinds in the {room}.
      ~!Pull the {room} blinds up.
      !Move the {room} blinds up.
      ~!Move the blinds up in the {room}.
      I want the blinds up in the {room}.
      I want the {room} blinds open.
      ~I want the blinds open in the {room}.
      The {room} blinds should be up.
      The blinds in the {room} should be open.
      ~The blinds in the {room} should be up.
      !Bring the blinds up in the {room}.
      !Get the {room} blinds up.
      !Get the blinds up in the {room}.
      ?!Have the blinds up in the {room}.
      !Keep the {room} blinds up.
      !Keep the blinds open in the {room}.
      !Leave the {room} blinds open.
      !Let the blinds up in the {room}.
      !Let the sun into the {room}, blinds up.
      !Lift the {room} blinds.
      !Bring up the blinds in the {room}.
      !Open all blinds in the {room}.
      !Open the blinds of the {room}.
      !Put the blinds of the {room} up.
      !Make sure the {room} blinds are open.
      In the {room}, open the blinds.
      In the {room}, blinds up.
      ?For the {room}: blinds up.
      ?{room} blinds up.
      The {room} blinds should be open.
      ?The blinds in the {room} have to be up.
      I would like the {room} blinds up.
      I would like the blinds open in the {room}.
      I need the blinds up in the {room}.
      We want the {room} blinds open.
      It is too dark in the {room}, open the blinds.
      I want to see the sun in the {room}, raise the blinds.
      Are the {room} blinds closed? Then open them.
      ?I want to look out of the {room}, open the blinds.`),
  },
];
