/** Commands about what is heard in the house: music and its volume. */
import { music, roomOnly, volume, type Command } from "./command-draws.ts";
import { frames } from "./templates.ts";

export const MUSIC_COMMANDS: readonly Command[] = [
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
      How about {music} in the {room}?
      ?!Stream {music} over the speaker in my {room}.
      !Let {music} run in our {room} while I cook.
      ?!Send {music} to the speakers of the {room}.
      !Blast {music} through the {room} speakers.
      !Queue up {music} for our {room}.
      ?!Surprise our guests in the {room} with {music}.
      !Pick {music} as the music for my {room}.
      !Choose a bit of {music} for the {room} tonight.
      ?!Entertain us with {music} in the {room}.
      !Wake up everyone in the {room} with {music}.
      !Liven up our {room} with a bit of {music}.
      !Find {music} and play it in the {room}.
      !Get the {room} speaker to play {music}.
      !Use the speaker in my {room} for {music}.
      !Treat me to {music} while I sit in the {room}.
      !Begin with {music} in the {room} now.
      !Throw on some {music} in our {room} because I am bored.
      !Stick {music} on in the {room}.
      !Have our {room} speaker play us {music}.
      !Let my kids dance to {music} in the {room}.
      {room} speaker, play {music}.
      {room} music: {music}.
      {music} over in our {room} now.
      {music} is what I want to hear in my {room}.
      {music} would go well with dinner in the {room}.
      Music for the {room}: some {music}.
      Time for {music} in our {room}.
      ?A bit of {music} for my {room}.
      May I have {music} in the {room} while I read?
      Could our {room} be treated to {music} this evening?
      Would {music} fit the mood in the {room}? Play it.
      ?Would you mind playing {music} in my {room}?
      Why is there no {music} in the {room} yet?
      ?Can I listen to {music} in the {room}?
      ?Shall we have some {music} in our {room}?
      I am cooking in the {room} and {music} would help.
      My friends are in the {room} and they want {music}.
      I am in the mood for {music}, so play it in the {room}.
      Nothing beats {music} in the {room}, so start it.
      The speaker in our {room} should be playing {music}.
      Dinner is ready, so we want {music} in the {room}.
      I work faster to {music}, so play it in my {room}.
      We are dancing in the {room}, so put on {music}.
      Over the {room} speakers, I would love {music}.
      ?With {music} on, our {room} would feel much nicer.`),
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
      The music should be {percent} percent loud.
      !Lower the volume to {percent} percent.
      !Raise the volume to {percent} percent.
      !Drop the sound to {percent} percent because the baby sleeps.
      !Reduce the loudness to {percent} percent.
      !Crank the music up to {percent} percent.
      ?!Go down to {percent} percent with the volume.
      !Push the speaker volume up to {percent}.
      ?!Adjust the speaker to {percent} percent.
      !Fix the loudness at {percent} percent.
      !Let the music play at {percent} percent from now on.
      !Get the volume to exactly {percent} percent.
      !Move the volume slider to {percent}.
      ?!Dial the speaker down to {percent} percent.
      !Use {percent} percent as the volume.
      !Choose {percent} percent for the sound.
      !Hold the speakers at {percent} percent while I am on the phone.
      !Leave the volume on {percent} for the rest of the day.
      ?!Have the speaker play with {percent} percent volume.
      !Get the music down to {percent} percent.
      !Run the speakers on {percent} percent tonight.
      !Bump the sound up to {percent} percent.
      I can hardly hear the music, so go up to {percent} percent.
      My ears hurt, so bring the sound down to {percent} percent.
      The neighbors are complaining, so {percent} percent volume is enough.
      The baby is asleep, so keep the sound at {percent}.
      I love this song, so make the volume {percent}.
      ?We cannot hear the song, {percent} percent volume would be better.
      Speaker volume, {percent} percent.
      Loudness: {percent} percent.
      Sound level {percent}.
      Music volume on {percent}.
      ?{percent} percent on the speakers.
      {percent} is where I want the volume.
      {percent} percent of full volume would be just fine.
      ?Could we have the volume at {percent} percent?
      ?May I have the sound at {percent}?
      How about {percent} percent for the volume?
      ?Why not play this at {percent} percent volume?
      Is the volume at {percent}? If not, change it.
      Would {percent} percent volume be possible?
      What about turning the speakers to {percent}?
      For this song, the volume needs to be {percent}.
      With guests here, {percent} percent loudness is right.
      We would all prefer the speakers at {percent} percent.
      The right volume for dinner is {percent} percent.`),
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
      That is enough music in the {room}.
      !Silence the music in my {room}.
      !Kill the music in our {room} right now.
      !Cut the {room} music because I have a call.
      !Quit playing songs in the {room}.
      !Turn the music speaker in the {room} off so I can sleep.
      !Stop whatever song is playing in the {room}.
      ?!Turn off the song in my {room} before I go.
      !Cancel the music for our {room}.
      !Turn off the tunes in the {room}.
      !Shut the music in our {room} down while I study.
      !Put an end to the music in my {room}.
      !Bring the music in the {room} to an end.
      !Get rid of the music in our {room}.
      !Give us a rest from the music in the {room}.
      !Stop every song that plays in my {room}.
      !Spare me the music in the {room}.
      !Keep the speakers of the {room} from playing music.
      ?!Let the {room} be without music tonight.
      {room} music, off.
      {room} songs, stop.
      ?Music off, {room}.
      Do not play any more songs in our {room}.
      The baby sleeps in the {room}, so no music there.
      I have a headache, so stop the {room} music.
      The party in our {room} is over, turn off the music.
      ?I am on the phone in the {room}, so stop playing music.
      I cannot think with that music in my {room}.
      ?I cannot sleep while music plays in the {room}.
      Nobody is listening to the music in our {room} anymore.
      Why is music still playing in the {room}? Turn it off.
      ?Could we have no music in the {room} for now?
      May I have my {room} without music?
      Is there music in the {room}? Then stop it.
      Does the music in our {room} have to be on?
      Would you mind ending the music in the {room}?
      How about no more songs in my {room}?
      ?Nobody is in the {room}, so the music can stop.
      The song in our {room} gets on my nerves, stop it.
      We have heard enough songs in the {room}.
      From the {room} I do not want to hear another song.
      The {room} speaker should not play music anymore.
      ?I would rather have the {room} without music.
      ?Over in the {room}, the music can end now.
      We are going to bed, so end the {room} music.
      My {room} should be free of music.`),
  },
];
