/** Commands about lights. */
import { roomFlag, roomNumber, type Command } from "./draws.ts";
import { frames } from "../templates.ts";

export const LIGHTS: readonly Command[] = [
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
      I could use some light around the {room}.
      !Switch the lights in the {room} on, please.
      The {room} needs its light on now.
      ?Could we have some light in the {room} this evening?
      It is pitch dark in the {room}, so put the lamp on.
      I would love the {room} lit up when the guests come in.
      Would you mind switching on the lamp in our {room}?
      !Put the {room} lamp on for the kids.
      ?!Make sure the light is on in the {room} before we get there.
      Why is the {room} light still off? I need it on.
      My {room} lights should be on by now.
      Is there a way to get the light going in the {room} again?
      !Have the lights in the {room} turned on right away.
      ?!Let there be light in the {room}, please.
      {room} lights, please, I cannot see a thing.
      I am walking into the {room} now and would like the light on.
      !Light up the {room} for us.
      !Light the {room}, if possible, because I dropped my keys there.
      ?The guests are here, so the {room} lamps should be shining.
      !See that our {room} is lit when mother arrives.
      Nobody can read in the {room} without a lamp, so switch one on.
      Let us have the lights on in the {room} too.
      It is time to turn the lights on in the {room}.
      ?!Get the lights on in that {room}, will you?
      In the {room} the lamps ought to be on.
      I want the {room} bright, so lights on, please.
      The lamp in the {room} may go on now.
      Somebody left the {room} without light, so turn it back on.
      ?Can the {room} light be switched on from here?
      !Flip on the light for the {room}, the dog is scared.
      Light for the {room}, please.
      Lights on in the {room}, right away.
      Do we have a lamp in the {room} that you can switch on?
      ?!Bring the {room} lights back on after the film.
      !Give us some lamp light in the {room} today.
      {room} is too dark to cook in, lights on.
      I would rather not sit in the dark {room}, so turn the lamps on.
      The kids are afraid in the dark {room}, so leave a light on.
      ?May I ask you to turn on the lights of the {room}?
      Our {room} should have its lights switched on soon.
      !Power up the lamps in my {room}.
      What about putting the light on in the {room} instead?
      !Illuminate the {room} when you can.
      ?I cannot reach the switch in the {room}, so turn that light on.
      I forgot to put the {room} light on, can you do it?
      It would be nice if the lights went on in the {room}, please.
      Please, the {room} light, on again.
      We need a lit {room} for dinner.
      ?!Start the {room} lights before we come home.
      The lights of the {room} are off and I want them on.
      How about some electric light for the {room} tonight?
      {room} lamp on now
      !Keep the light burning in the {room} until I come back.
      ?All lamps in the {room} on, please.
      Since I am going to the {room} next, have the light on there.
      Would it be possible to light our {room} for a moment?
      I keep bumping into things in the {room}, I need a light there.
      You can switch on that light in the {room}, I am coming.
      ?The {room} has no light burning, please change that.
      There should be light in the {room} when I open the door.
      I cannot find the switch, so do the {room} light for me.
      With the sun gone, the lights should go on in the {room} soon.
      Will you get the ceiling light of the {room} for me?`),
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
      Nobody reads in the {room} anymore, so cut the light.
      !Switch the lights off in the {room}, please.
      {room}: lights out
      ?The {room} light can go off now.
      Why is the light in the {room} still burning?
      Nobody is in the {room}, so the lamp there should be off.
      Would you mind turning off the lamps in our {room}?
      I would rather have the {room} dark, so lights out, please.
      ?!Put out the light in the {room} before we leave.
      !Make sure no light stays on in the {room} tonight.
      Could the lights in my {room} be switched off from here?
      {room} lamp off, please.
      We have left the {room}, so kill the lights there.
      ?!Kill the lights in the {room}, will you?
      The kids are asleep, so the {room} lights should be out.
      Did I leave the {room} light on? Then switch it off.
      It is time for lights out in the {room}.
      !Shut off the {room} lamps right away.
      ?!Have the light of the {room} turned off when you can.
      I do not need any lamp in the {room} anymore.
      !See that the {room} lights are off after dinner.
      Lights off in the {room}, we are going to bed.
      Someone forgot to turn the {room} light off again.
      ?My {room} is lit for nothing, so switch that lamp off.
      !Cut the lights in the {room} for the film.
      Is there a way to get that {room} light off?
      It is daytime, so we need no lights on in the {room} now.
      Let us save some power and turn off the lights in the {room} too.
      ?The lamp in the {room} keeps me awake, please turn it off.
      Please, no more light from the {room} lamp.
      In the {room} all the lamps should go out soon.
      I am done in the {room}, the light can be turned off.
      {room} lights are wasting power, switch them off.
      ?!Let the {room} lights go out, please.
      Do not leave the light on in the {room} all night.
      Do not keep the {room} lamp burning for us.
      We can do without the lights in the {room} this evening.
      Our {room} does not need its lights on when nobody is home.
      ?!Get rid of that light in the {room}, my head hurts.
      I want the lights out in the {room}, if possible.
      Are the lights in the {room} off yet? They should be.
      Would it be possible to have the {room} lamps off for the night?
      !Take the {room} light off, the guests have gone.
      ?The {room} may go dark now, lights off.
      May I ask you to put the lights out in the {room}?
      No lamp has to burn in the {room} while we are away.
      !Flip off the switch for the {room} light.
      The light of the {room} has been on all day, that is enough.
      ?All lights of the {room} off, please.
      The sun is up, so turn off the lamp in our {room}.
      I forgot the {room} lights, can you turn them off for me?
      With everyone outside, the lamps in the {room} should be off.
      {room} light off right now
      ?!Switch off whatever lamps are on in the {room} today.
      !Darken the {room} by turning off its lights.
      What is the {room} lamp still on for? Off with it.
      I would love it if the lights went off in the {room} now.
      Mother wants to sleep in the {room}, so no light there, please.
      ?Will you do the lights in the {room}? They should be off.
      How about switching the lights off in the {room} instead?
      The {room} is empty, so its lights should not be on.
      Please see to it that the {room} lamp does not stay on.
      Everybody went out of the {room}, please get the light.
      ?You can turn out the light in that {room}, I have finished reading.`),
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
      At {value} percent, the {room} light would be just right.
      ?!Set the lights in the {room} to {value} percent, please.
      {room}: light at {value} %
      ?{room} lights down to {value} percent for dinner.
      I would like the {room} lamp at {value} percent brightness.
      Could we have {value} percent light in the {room} this evening?
      Would you mind dimming our {room} lights to {value} percent?
      The {room} is too bright, so bring the light down to {value} percent.
      ?{value} percent brightness for the {room}, please.
      !Lower the lights of the {room} to about {value} percent.
      !Make the {room} lamps shine at {value} percent only.
      The light in my {room} should be at {value} percent now.
      At {value} percent the light in the {room} would be just right.
      ?We are watching a film, so dim the {room} lamp to {value} %.
      !Put the lamp in the {room} on {value} percent, will you?
      Is there a way to have {value} percent light in our {room}?
      The guests want it cozy, so {room} lights at {value} percent.
      !Take the {room} light down to {value} percent right away.
      ?I would rather have only {value} percent of the light in the {room}.
      Why is the {room} lamp not at {value} percent brightness yet?
      !Give us soft light in the {room}, {value} percent will do.
      {value} % is enough light for the {room} tonight.
      !Adjust the brightness in the {room} to {value} percent when you can.
      ?It is time to dim the lights in the {room} to {value} percent.
      Let us keep the {room} lights at {value} percent from now on.
      !Have the {room} dimmed to {value} percent before the kids go to bed.
      My eyes hurt, so the {room} light should drop to {value} percent.
      !Leave the lamp of the {room} at {value} percent for the dog.
      ?Can the {room} lights be set to {value} percent from here?
      With {value} percent brightness the {room} lamp would be perfect for us.
      !See that the lights are at {value} percent in the {room} soon.
      For reading I need {value} percent light in the {room}.
      Our {room} lamps may glow at {value} percent, not more.
      ?!Bring the brightness of the {room} light to {value} %, if possible.
      A dim light of {value} percent in the {room} would be lovely.
      The lamps in the {room} only need {value} percent today.
      !Make it {value} percent light in the {room} instead.
      !Turn the dimmer in the {room} to {value} percent.
      ?{room} dimmer at {value} percent, please.
      The dimmer for the {room} belongs on {value} percent now.
      I want my {room} softly lit, say at {value} percent.
      May I ask for {value} percent brightness in that {room}?
      How about {value} percent for the {room} light?
      ?No more than {value} percent light in the {room}, please, mother is sleeping.
      !Change the {room} lighting to {value} percent again.
      Lights in the {room} at {value} percent, as always.
      The lighting of the {room} could be at {value} percent for now.
      !Let the {room} lamps burn at {value} percent during the film.
      ?I find the light in the {room} harsh, {value} percent is plenty.
      Would it be possible to get the {room} lights to {value} percent?
      {value} percent, that is how bright I want the {room} lamp.
      !Fade the lights to {value} percent in the {room} before we sit down.
      What about dimming the lamps to {value} % in our {room} too?
      ?Please, {value} percent lighting in the {room} from this evening on.
      It would be nicer with the {room} lamp dimmed to {value} percent.
      !Run the {room} lights at {value} percent tonight.
      !Get me {value} percent lamp light in the {room}, please.
      The baby naps in the {room}, so dim it to {value} percent light.
      ?We need the light of the {room} reduced to {value} percent.
      !Make sure the brightness stays at {value} percent in the {room}.
      When we eat in the {room}, light at {value} percent is best.
      Will you regulate the {room} lamp to {value} percent for me?
      The light level in the {room} ought to be {value} percent, right?`),
  },
];
