/** Commands to the rooms of the house: light, heating, music, doors, blinds and the vacuum. */
import { blinds, music, roomFlag, roomNumber, roomOnly, volume, type Command } from "./command-draws.ts";
import { frames } from "./templates.ts";

export const HOME_COMMANDS: readonly Command[] = [
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
      ~It is very dark in the {room}, switch on the light.`),
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
      Nobody is in the {room}, switch the lights off.`),
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
      ~!Dim the {room} lights to {value} percent.`),
  },
  {
    tool: "set_temperature",
    draw: roomNumber("degrees", 14, 29, 1),
    confirm: "Okay, the {room} is set to {value} degrees.",
    family: frames(`
      !Set the {room} to {value} degrees.
      !Make it {value} degrees in the {room}.
      !Heat the {room} to {value} degrees.
      I want {value} degrees in the {room}.
      !Set the heating in the {room} to {value} degrees.
      !Turn the heating in the {room} to {value}.
      {value} degrees in the {room}.
      The {room} should be {value} degrees.
      !Change the temperature in the {room} to {value} degrees.
      The heating in the {room} should be at {value} degrees.
      ~!Heat the {room} up to {value} degrees.
      !Warm the {room} up to {value} degrees.
      !Bring the {room} to {value} degrees.
      !Set the temperature in the {room} to {value}.
      !Set the {room} heating to {value} degrees.
      ~!Change the heating in the {room} to {value} degrees.
      !Turn the {room} heating to {value} degrees.
      I would like {value} degrees in the {room}.
      ~I would like the {room} at {value} degrees.
      The temperature in the {room} should be {value} degrees.
      ~It should be {value} degrees in the {room}.
      I want the {room} to be {value} degrees warm.
      !Keep the {room} at {value} degrees.
      ~!Keep it at {value} degrees in the {room}.`),
  },
  {
    tool: "play_music",
    draw: music,
    confirm: "Okay, playing {music} in the {room}.",
    family: frames(`
      !Play {music} in the {room}.
      !Play some {music} in the {room}.
      I want to hear {music} in the {room}.
      !Put on {music} in the {room}.
      !Put on some {music} in the {room}.
      In the {room}, play {music}.
      !Start {music} in the {room}.
      !Let me hear some {music} in the {room}.
      Some {music} in the {room} would be nice.
      I want some {music} in the {room}.
      ~!Start some {music} in the {room}.
      !Turn on {music} in the {room}.
      !Turn on some {music} in the {room}.
      I would like to hear {music} in the {room}.
      ~I would like some {music} in the {room}.
      I want to listen to {music} in the {room}.
      ~I would like to listen to {music} in the {room}.
      In the {room}, put on some {music}.
      ~In the {room}, I want to hear some {music}.
      {music} in the {room}, please.
      !Let us hear {music} in the {room}.
      !Fill the {room} with {music}.
      The {room} needs some {music}.
      ~The {room} needs {music}, put it on.
      !Play me some {music} in the {room}.
      It is too quiet in the {room}, play {music}.
      ~It is quiet in the {room}, play some {music}.`),
  },
  {
    tool: "set_volume",
    draw: volume,
    confirm: "Okay, the volume is at {percent} percent.",
    family: frames(`
      !Set the volume to {percent} percent.
      !Turn the volume to {percent}.
      Volume {percent}.
      !Make it {percent} percent loud.
      !Put the volume at {percent} percent.
      The volume should be {percent} percent.
      !Set the volume to {percent}.
      !Turn the volume to {percent} percent.
      ~!Put the volume to {percent}.
      !Change the volume to {percent} percent.
      ~!Change the volume to {percent}.
      I want the volume at {percent} percent.
      !Bring the volume to {percent} percent.
      !Set the sound to {percent} percent.
      !Play it at {percent} percent volume.
      The volume should be at {percent}.
      The sound should be {percent} percent loud.
      ~The sound should be at {percent} percent.
      Volume at {percent} percent.
      I would like the volume at {percent}.
      !Set it to {percent} percent volume.
      ~I would like {percent} percent volume.
      !Turn the sound to {percent}.
      ~!Bring the sound to {percent} percent.`),
  },
  {
    tool: "stop_music",
    draw: roomOnly,
    confirm: "Okay, the music in the {room} is off.",
    family: frames(`
      !Stop the music in the {room}.
      !Turn off the music in the {room}.
      No more music in the {room}.
      !Switch the music off in the {room}.
      !Turn the music off in the {room}.
      Music off in the {room}.
      ~!Switch off the music in the {room}.
      !Stop playing music in the {room}.
      !Stop the {room} music.
      ~!Turn off the {room} music.
      I want no music in the {room}.
      ~I want no more music in the {room}.
      The music in the {room} should stop.
      The music in the {room} is too loud, stop it.
      !End the music in the {room}.
      ~!End the {room} music.
      Enough music in the {room}.
      I do not want music in the {room}.
      !Make the music stop in the {room}.
      It is too loud in the {room}, turn off the music.
      ~The {room} music is too loud, turn it off.
      No music in the {room}, please.`),
  },
  {
    tool: "set_lock",
    draw: roomFlag("locked", true),
    confirm: "Okay, the {room} door is locked.",
    family: frames(`
      !Lock the {room} door.
      !Lock the door of the {room}.
      The {room} door should be locked.
      !Lock up the {room}.
      !Lock the door to the {room}.
      Is the {room} locked? If not, lock it.
      ~!Lock the door in the {room}.
      !Lock the {room}.
      !Lock the {room} door for me.
      I want the {room} door locked.
      ~I want the {room} locked.
      The {room} should be locked up.
      The door of the {room} should be locked.
      The {room} door is open, lock it.
      ~The door to the {room} is open, lock it.
      I forgot to lock the {room}.
      ~I forgot to lock the door of the {room}.
      !Keep the {room} door locked.
      !Make sure the {room} is locked.
      ~!Make sure the {room} door is locked.
      Nobody should come into the {room}, lock the door.
      !Lock up the door in my {room}.`),
  },
  {
    tool: "set_lock",
    draw: roomFlag("locked", false),
    confirm: "Okay, the {room} door is unlocked.",
    family: frames(`
      !Unlock the {room} door.
      !Unlock the door of the {room}.
      The {room} door should be unlocked.
      !Unlock the {room}.
      !Unlock the door to the {room}.
      Is the {room} unlocked? If not, unlock it.
      ~!Unlock the door in the {room}.
      !Unlock the {room} door for me.
      !Unlock my {room}.
      I want the {room} door unlocked.
      ~I want the {room} unlocked.
      The {room} should be unlocked.
      ~The door of the {room} should be unlocked.
      The {room} door is locked, unlock it.
      ~The door to the {room} is locked, unlock it.
      I cannot get into the {room}, unlock the door.
      I want to get into the {room}, unlock it.
      !Keep the {room} door unlocked.
      !Make sure the {room} is unlocked.
      ~!Make sure the {room} door is unlocked.
      The door in my {room} should not be locked.`),
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
      !Bring the blinds down in the {room}.`),
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
      !Bring the blinds up in the {room}.`),
  },
  {
    tool: "start_vacuum",
    draw: roomOnly,
    confirm: "Okay, vacuuming the {room}.",
    family: frames(`
      !Vacuum the {room}.
      !Start the vacuum in the {room}.
      !Let the robot clean the {room}.
      The {room} floor is dirty.
      !Start the robot in the {room}.
      !Send the vacuum to the {room}.
      The {room} needs a vacuum.
      !Clean the floor in the {room}.
      !Vacuum the floor in the {room}.
      !Let the vacuum clean the {room}.
      ~The floor in the {room} is dirty.
      ~The {room} is dirty.
      There is dust in the {room}.
      The {room} floor needs a vacuum.
      !Send the robot into the {room}.
      ~!Send the robot to the {room}.
      !Let the robot vacuum the {room}.
      !Clean the {room} floor.
      ~!Vacuum the {room} floor.
      I want the {room} clean.
      The {room} should be vacuumed.
      There is dust on the {room} floor, start the vacuum.
      ~There is dust in the {room}, start the robot.`),
  },
];
