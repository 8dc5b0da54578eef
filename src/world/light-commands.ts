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
      {room} lights on.
      !Light up the {room}.
      !Flip on the light inside the {room}.
      ?!Illuminate our {room} for the guests.
      !Turn on the lamp over in the {room}.
      !Flick the {room} lamp on.
      ?!Light the {room} so we can [eat|read] there.
      !Activate the lights throughout the {room}.
      !Start the {room} lighting.
      !Brighten up our {room} with the ceiling light.
      !Get my {room} out of the dark.
      !Have the light in our {room} switched on.
      !Power on the lamps of the {room}.
      !Turn the light back on in my {room}.
      !Put some light on for the kids in the {room}.
      ?Who turned off the {room} light? I want it back on.
      Nobody has lit the {room} yet, do it now.
      Why is the {room} still unlit?
      Could I have some light over in the {room}?
      ?May I get the {room} lit up?
      Is it possible to have the {room} lamp on?
      ?How about some light for the {room}?
      {room}: lamp on.
      {room}, lights on now.
      On with the {room} lights.
      On with the light in our {room}.
      Lamp on inside the {room}.
      Reading in the {room} is impossible without light, switch it on.
      My keys fell down in the {room}, put the light on.
      ?We just entered the {room}, so light it up.
      Guests are waiting in the {room} without any light.
      ?Our kids are sitting around the {room} without light.
      Dad wants to work in the {room}, he needs the light on.
      Mum is heading for the {room}, so turn on the lamp.
      The sun is down and the {room} needs its light on.
      It got dark outside, light up our {room}.
      I bump into everything around the {room}, turn the light on.
      The lamp for the {room} is off, but I need it on.
      The {room} lamp is off and I want it on.
      It is pitch dark inside our {room}.
      ?From now on, the {room} light stays on.
      The {room} must not stay dark.
      ?Before I walk into the {room}, put the lights on.
      Someone is coming to the {room} and needs light there.
      Time to light up my {room}.
      I could use some light around the {room}.`),
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
      {room} lights off.
      !Kill the lights in our {room}.
      !Shut off the {room} lamp.
      !Cut the light inside the {room}.
      !Flip the {room} light switch to off.
      !Turn out the lights over in the {room}.
      !Darken my {room} by turning out the lamps.
      ?!Deactivate all lamps in the {room}.
      !Stop lighting the {room}.
      ?!Stop wasting power on the {room} light.
      !Power down the lights of the {room}.
      !Click the {room} lamp off.
      !Save some power and switch the {room} light off.
      !Have the lamp in our {room} switched off.
      !Let the {room} go dark.
      !Make sure no light is burning in my {room}.
      ?!See to it that the {room} lamps are off.
      Off with the {room} lights.
      Off with the lamp in my {room}.
      {room}: lamp off.
      {room}, lights out now.
      Lights out for the {room}.
      No more lamps burning in the {room} now, off with them.
      ?No light inside our {room} tonight.
      Who left the {room} light on? I want it off.
      Why is the lamp in our {room} still burning?
      ?May I have the {room} light turned off?
      ?Could we get the lights out around the {room}?
      Is it possible to have the {room} lamp off?
      The baby just fell asleep in the {room}, light out.
      Our guests want to sleep in the {room} without light.
      I forgot the light in my {room}, it must go out.
      We are done in the {room}, so turn out the lamp.
      Everyone has left the {room}, kill the lights.
      It is daytime, the {room} can do without its lamp.
      ?The sun is up, so turn out the {room} light.
      The movie starts in the {room}, lights out.
      ?To save power, shut off the {room} lights.
      Light from the {room} keeps me awake, switch it off.
      The {room} lamp is on and I want it off.
      The {room} must not stay lit.
      ?Before we go to bed, shut the {room} lamp off.
      From now on, the {room} light stays off.
      Time for lights out in the {room}.
      My eyes hurt from the {room} light, so off with it.
      Nobody reads in the {room} anymore, so cut the light.`),
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
      {value} percent is enough light for the {room}.
      !Adjust the {room} lamp to {value} percent.
      !Fade the light in our {room} to {value} percent.
      !Lower the brightness in the {room} to {value} percent.
      !Reduce the {room} lighting to {value} percent.
      ?!Limit the lamps in the {room} to {value} percent.
      !Run the {room} lights at just {value} percent.
      ?!Soften my {room} lamp to {value} percent for the film.
      !Raise the brightness of the {room} light to {value} percent.
      !Have the lamp over in the {room} dimmed to {value} percent.
      !Let the {room} light shine at {value} percent.
      !Use {value} percent brightness for the {room} light.
      !Choose {value} percent as the brightness for my {room}.
      !Take the brightness inside the {room} down to {value} percent.
      ?!Bring our {room} lamp up to {value} percent.
      !Hold the lights of the {room} at {value} percent tonight.
      ?!Go to {value} percent with the {room} lights.
      !Dial the light around the {room} to {value} percent.
      !Light the {room} at {value} percent.
      !Drop the {room} brightness to {value}.
      !Tune the lamp in the {room} to {value} percent so I can relax.
      Could the {room} lamp go to {value} percent?
      May we have {value} percent brightness over in the {room}?
      How about {value} percent for the {room} lights?
      ?Is it possible to get the {room} light to {value} percent?
      What about dimming our {room} to {value} percent?
      ?{room}: brightness {value} percent.
      {room} lamp, {value} percent.
      {room} dimmed to {value} percent.
      {value} percent brightness for the {room} lamp.
      {value} percent, that is how bright I like my {room}.
      Down to {value} percent with the {room} lamp.
      ?Only {value} percent for the lamps inside the {room}.
      The baby sleeps in the {room}, so {value} percent light only.
      We are watching a film in the {room}, dim to {value} percent.
      My eyes hurt, reduce the {room} lights to {value} percent.
      For dinner in the {room}, set the lamps to {value} percent.
      ?To read in our {room}, I need the brightness at {value} percent.
      Light level {value} is right for the {room}.
      The brightness around the {room} must go to {value} percent.
      Nobody needs more than {value} percent light in the {room}.
      No brighter than {value} percent in my {room}, thanks.
      The dimmer of the {room} belongs at {value} percent.
      The {room} lamp is too strong, {value} percent will do.
      ?I prefer the {room} lit at {value} percent.
      At {value} percent, the {room} light would be just right.`),
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
      Nobody should see into the {room}, close the blinds.
      !Roll down the {room} blinds.
      !Drop the blinds in our {room}.
      ?!Draw the blinds shut in my {room}.
      !Send the {room} blinds all the way down.
      !Block the sun in the {room} with the blinds.
      !Cover the windows of the {room} with the blinds.
      !Shade the {room} by lowering its blinds.
      !Run the blinds down inside the {room}.
      !Keep the sun out of our {room} with closed blinds.
      !Shut all the blinds around the {room}.
      !Slide the {room} blinds shut.
      !Make my {room} private and close its blinds.
      !Have our {room} blinds shut for the night.
      !See that the blinds over in the {room} are down.
      !Tell the {room} blinds to go down.
      !Start closing the blinds throughout the {room}.
      ?!Pull the {room} blinds closed so the baby can sleep.
      Down with the {room} blinds.
      Down with the blinds over in the {room}.
      {room}: close blinds.
      {room}, blinds all the way down.
      Blinds shut for the {room}.
      ?Closed blinds in my {room}, that is what I want.
      ?Could we have the {room} blinds lowered?
      May I get the blinds shut in our {room}?
      ?How about closing the blinds for the {room}?
      ?Is it possible to lower my {room} blinds?
      Why are the {room} blinds still open? Shut them.
      Who opened the blinds in the {room}? I want them down.
      The neighbors can look into our {room}, blinds down.
      The sun shines right into my {room}, shut the blinds.
      The sun makes the {room} too hot, so lower the blinds.
      We are going to sleep in the {room}, so blinds closed.
      ?The baby naps in the {room}, pull the blinds down.
      To keep the {room} cool, shut its blinds.
      It is night, so the {room} blinds must go down.
      Before it gets hot, roll the {room} blinds down.
      Someone is staring through the {room} window, shut the blinds.
      ?I am changing clothes in the {room} and need the blinds down.
      The blinds for our {room} are up, but I want them down.
      The {room} blinds are still open, that has to change.
      ?Too much sun in the {room}, down with the blinds.
      Time to shut the {room} blinds.
      For the film in the {room}, I want the blinds shut.
      I prefer the {room} with its blinds down.`),
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
      ?I want to look out of the {room}, open the blinds.
      !Roll up the {room} blinds.
      ?!Draw up the blinds in our {room}.
      !Send the {room} blinds all the way up.
      !Let daylight into my {room} by raising the blinds.
      !Run the blinds up inside the {room}.
      !Uncover the windows of the {room} by lifting the blinds.
      !Open up the blinds around the {room}.
      !Slide the {room} blinds open.
      ?!Have our {room} blinds opened for the morning.
      !See that the blinds over in the {room} are up.
      !Tell the {room} blinds to go up.
      ?!Start opening the blinds throughout the {room}.
      !Pull the {room} blinds open so the plants get sun.
      ?!Bring sunshine into the {room} by opening its blinds.
      Up with the {room} blinds.
      Up with the blinds over in the {room}.
      {room}: open blinds.
      {room}, blinds all the way up.
      ?Blinds open for the {room}.
      Open blinds in my {room}, that is what I want.
      Could we have the {room} blinds raised?
      ?May I get the blinds open in our {room}?
      How about opening the blinds for the {room}?
      Is it possible to raise my {room} blinds?
      What about lifting the blinds of our {room}?
      Why are the {room} blinds still down? Raise them.
      Who closed the blinds in the {room}? I want them up.
      The sun is rising, so the {room} blinds must go up.
      My plants in the {room} need sun, lift the blinds.
      ?I want to look outside from the {room}, blinds up.
      We are awake in the {room}, so blinds open.
      It is morning, pull up our {room} blinds.
      The kids should wake up in the {room}, raise the blinds.
      To let the sun warm the {room}, open its blinds.
      The blinds for our {room} are down, but I want them up.
      The {room} blinds are still closed, that has to change.
      Not enough sun gets into my {room}, up with the blinds.
      Time to open the {room} blinds.
      ?I prefer the {room} with its blinds up.
      I am having breakfast in the {room} and want the blinds open.
      The rain is over, roll the {room} blinds up.
      Daylight is missing in the {room}, lift its blinds.
      ?Nobody sleeps in the {room} anymore, open the blinds.
      I cannot see the street from the {room}, raise the blinds.
      After this nap in the {room}, I need the blinds up.`),
  },
];
