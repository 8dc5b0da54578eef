/** Commands to the rooms of the house: heating, music, doors and the vacuum. */
import { music, roomFlag, roomNumber, roomOnly, volume, type Command } from "./command-draws.ts";
import { frames } from "./templates.ts";

export const HOME_COMMANDS: readonly Command[] = [
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
      ~!Keep it at {value} degrees in the {room}.
      !Give me {value} degrees in the {room}.
      !Make the {room} {value} degrees warm.
      !Get the {room} to {value} degrees.
      !Take the {room} to {value} degrees.
      !Turn the temperature in the {room} to {value} degrees.
      !Turn the {room} to {value} degrees.
      ?!Change the {room} to {value} degrees.
      !Set it to {value} degrees in the {room}.
      !Set the {room} temperature to {value}.
      !Put the heating in the {room} at {value} degrees.
      !Put the {room} at {value} degrees.
      ?!Keep the temperature in the {room} at {value} degrees.
      ?!Heat up the {room} to {value} degrees.
      !Make sure the {room} is at {value} degrees.
      In the {room}, set the heating to {value} degrees.
      In the {room}, I want {value} degrees.
      For the {room}: {value} degrees.
      Heating in the {room} at {value} degrees.
      The {room} has to be {value} degrees.
      The heating in the {room} should be {value}.
      We need {value} degrees in the {room}.
      We want the {room} at {value} degrees.
      ?I need the {room} at {value} degrees.
      ?I would like it {value} degrees in the {room}.
      It is cold in the {room}, make it {value} degrees.
      It is too cold in the {room}, heat it to {value} degrees.
      The {room} is too warm, set it to {value} degrees.
      ?I like the {room} at {value} degrees.`),
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
      ~It is quiet in the {room}, play some {music}.
      !Play {music} for me in the {room}.
      !Give me {music} in the {room}.
      ?!Give us some {music} in the {room}.
      !Get some {music} going in the {room}.
      !Have {music} on in the {room}.
      !Start playing {music} in the {room}.
      !Switch on {music} in the {room}.
      !Bring some {music} to the {room}.
      ?!Make it {music} in the {room}.
      !Let {music} play in the {room}.
      !Let us listen to {music} in the {room}.
      In the {room}, start {music}.
      In the {room}, let me hear {music}.
      In the {room} I would like {music}.
      For the {room}: {music}.
      {music} for the {room}.
      ?Time for {music} in the {room}.
      We want to hear {music} in the {room}.
      We would like {music} in the {room}.
      ?We want some {music} in the {room}, please.
      I need some {music} in the {room}.
      I feel like {music} in the {room}.
      I am in the {room}, play {music}.
      I am in the {room} and want to hear {music}.
      There should be {music} in the {room}.
      The {room} is too quiet, play some {music}.
      ?How about some {music} in the {room}?
      How about {music} in the {room}?`),
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
      ~!Bring the sound to {percent} percent.
      !Make the volume {percent} percent.
      !Make the sound {percent} percent loud.
      !Give me {percent} percent volume.
      ?!Get the volume to {percent} percent.
      !Take the volume to {percent}.
      !Turn it to {percent} percent.
      !Keep the volume at {percent} percent.
      !Set the sound to {percent}.
      !Set the speakers to {percent} percent.
      !Turn the speakers to {percent} percent.
      !Put the sound at {percent} percent.
      !Change the sound to {percent} percent.
      !Bring the volume to {percent}.
      ?!Play the music at {percent} percent.
      ?!Have the volume at {percent} percent.
      Volume to {percent}.
      Volume to {percent} percent, please.
      Sound at {percent} percent.
      {percent} percent volume.
      {percent} percent is loud enough.
      The volume has to be {percent} percent.
      ?I want the sound at {percent} percent.
      I need the volume at {percent}.
      I would like the sound at {percent} percent.
      ?We want the volume at {percent} percent.
      It is too loud, set the volume to {percent}.
      ?It is too quiet, turn the volume to {percent} percent.
      The music should be {percent} percent loud.`),
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
      No music in the {room}, please.
      !Stop music in the {room}.
      !Stop the music that plays in the {room}.
      !Stop all music in the {room}.
      ?!Stop playing in the {room}.
      !Get the music off in the {room}.
      !Put the music off in the {room}.
      !Have the music off in the {room}.
      !Shut off the music in the {room}.
      !Shut the {room} music off.
      !Switch the {room} music off.
      ?!Turn the {room} music off.
      !Let the music stop in the {room}.
      !Make it quiet in the {room}.
      ?In the {room}, stop the music.
      In the {room}, turn the music off.
      ?For the {room}: music off.
      The music in the {room} should be off.
      The music in the {room} has to stop.
      ?The {room} music should end.
      I would like no music in the {room}.
      I do not want to hear music in the {room} anymore.
      I want it quiet in the {room}.
      We want no music in the {room}.
      We do not need music in the {room}.
      There is music in the {room}, turn it off.
      The music in the {room} is still on, stop it.
      I am leaving the {room}, stop the music.
      That is enough music in the {room}.`),
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
      !Lock up the door in my {room}.
      !Close and lock the {room}.
      !Close and lock the {room} door.
      ?!Get the {room} door locked.
      !Have the {room} locked.
      !Keep the {room} locked.
      !Keep the door of the {room} locked.
      !Lock my {room}.
      ?!Lock my {room} door.
      !Lock the {room} up.
      !Lock the {room} for me.
      !Make sure the door of the {room} is locked.
      ?!Put the lock on the {room} door.
      ?!See that the {room} is locked.
      In the {room}, lock the door.
      The {room} has to be locked.
      The door to the {room} should be locked.
      ?The door in the {room} has to be locked.
      I want the door of the {room} locked.
      I would like the {room} locked.
      I would like the {room} door locked, please.
      I need the {room} door locked.
      We want the {room} locked up.
      We forgot to lock the {room} door.
      I am leaving, lock the {room}.
      I am leaving the {room}, lock the door.
      Is the {room} door open? Then lock it.
      Did I lock the {room}? If not, lock it.
      The {room} is still open, lock it.`),
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
      The door in my {room} should not be locked.
      !Get the {room} door unlocked.
      !Have the {room} unlocked.
      !Keep the {room} unlocked.
      !Leave the {room} unlocked.
      !Leave the {room} door unlocked.
      !Unlock my {room} door.
      ?!Unlock the {room} for me.
      ?!Unlock the door of my {room}.
      !Unlock and open the {room} door.
      ?!Take the lock off the {room} door.
      !Make sure the door of the {room} is unlocked.
      !See that the {room} is unlocked.
      !Let me into the {room}.
      ?In the {room}, unlock the door.
      The {room} has to be unlocked.
      The door to the {room} should be unlocked.
      The {room} door should not be locked.
      I want the door of the {room} unlocked.
      I would like the {room} unlocked.
      I would like the {room} door unlocked, please.
      I need the {room} door unlocked.
      We want the {room} unlocked.
      ?We cannot get into the {room}, unlock it.
      I need to get into the {room}, unlock the door.
      I am coming home, unlock the {room}.
      Is the {room} door locked? Then unlock it.
      Did I lock the {room}? Unlock it.
      The {room} is still locked, unlock it.`),
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
      ~There is dust in the {room}, start the robot.
      ?!Get the vacuum into the {room}.
      ?!Get the {room} floor clean.
      !Give the {room} a vacuum.
      !Have the robot clean the {room}.
      ?!Have the {room} vacuumed.
      !Have the vacuum start in the {room}.
      !Let the vacuum run in the {room}.
      !Let the robot into the {room}.
      !Make the {room} floor clean.
      !Run the vacuum in the {room}.
      !Run the robot in the {room}.
      !Start to vacuum the {room}.
      !Start vacuuming the {room}.
      !Start the vacuum for the {room}.
      !Take the vacuum to the {room}.
      In the {room}, start the vacuum.
      In the {room}, vacuum the floor.
      For the {room}: start the robot.
      The {room} has to be vacuumed.
      ?The floor of the {room} needs a vacuum.
      The floor in the {room} should be clean.
      ?I want the {room} vacuumed.
      I would like the {room} floor clean.
      ?I need the vacuum in the {room}.
      We want the {room} vacuumed.
      It is dirty in the {room}, start the robot.
      The {room} is not clean, send the vacuum.
      The {room} floor is full of dust.`),
  },
];
