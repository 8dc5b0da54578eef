/** Commands about blinds. */
import { blinds, type Command } from "./draws.ts";
import { frames } from "../templates.ts";

export const BLINDS: readonly Command[] = [
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
      I prefer the {room} with its blinds down.
      !Close the {room} blinds, please.
      The {room} shades should come down now.
      ?The sun blinds me in the {room}, so lower the shades.
      Could we have the shutters closed in the {room} this evening?
      Would you mind pulling the blinds down in our {room}?
      The neighbors can look into the {room}, so close the blinds.
      !Pull down the {room} shades right away.
      ?!Let the blinds down in the {room}, will you?
      {room} blinds down for the night.
      Why are the {room} blinds still up? Bring them down.
      I would rather have the {room} shutters closed at this hour.
      !Shut the blinds of the {room} before we leave.
      ?My {room} gets too much sun, down with the blinds.
      It is time to close the shutters in the {room}.
      !Make sure the {room} blinds are down when the kids nap.
      !See that the shades are drawn in the {room} tonight.
      !Have the shutters lowered in the {room} when you can.
      ?Is there a way to shut the sun out of the {room} with blinds?
      !Draw the curtains in the {room}, please.
      Shutters down in the {room}, a storm is coming.
      The blinds in the {room} may go down soon.
      I want no sunshine on the screen in the {room}, so shades down.
      ?Let us close the blinds in the {room} too.
      Our {room} is getting hot in the sun, so lower the shutters.
      !Bring the {room} blinds all the way down.
      !Roll down the shutters in the {room} for us.
      {room} shutters closed, please.
      ?Can the {room} shades be let down from here?
      People outside stare into my {room}, please shut the blinds.
      The afternoon sun fades the sofa in the {room}, so draw the shades.
      !Drop the blinds for the {room}, the movie starts.
      Do not leave the blinds open in the {room} again.
      ?With the shades down, the {room} would stay cool today.
      Somebody forgot to lower the {room} blinds.
      I would love some privacy in the {room}, so blinds closed, please.
      The window shades of the {room} ought to be shut by now.
      In the {room} the sun is too strong without the blinds down.
      ?!Cover the windows in the {room} with the shades, if possible.
      {room} windows need their shutters down before it gets dark.
      May I ask you to close the window blinds in that {room}?
      !Get the blinds down in the {room}, the guests are changing there.
      Night is falling, so the {room} shutters should be closed.
      ?Would it be possible to have the {room} curtains closed?
      How about letting the shades down in the {room} instead?
      Blinds down, please, for the {room}.
      Down with the {room} blinds, I want to sleep.
      The light of the street comes into the {room}, so shut the shutters.
      ?We do not want anyone looking into the {room}, so pull the shades.
      !Send the {room} shutters down after dinner.
      !Keep the shades closed in the {room} until tomorrow.
      Are the blinds in the {room} down yet? They should be.
      The dog barks at people through the {room} window, so close the blinds.
      ?For my nap the blinds should be lowered in the {room}, please.
      All the shutters of the {room} down now
      Please, the {room} shades, all the way closed.
      I forgot to shut the {room} shutters, can you do it for me?
      Will you see to the {room} blinds? They belong down at night.
      ?It would be nice if the shades came down in our {room} now.
      The {room} blinds have been open all day, close them.
      Mother has a headache, so pull the blinds shut in the {room}.
      You can let down the roller blinds in the {room}, it is late.`),
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
      After this nap in the {room}, I need the blinds up.
      ?!Open the {room} blinds, please.
      The {room} shades should go up now.
      ?Could we have the shutters open in the {room} this morning?
      Would you mind pulling up the blinds in our {room}?
      I would love some daylight in the {room}, so open the blinds.
      !Let the sun into the {room}, please.
      The sun is out, so raise the {room} shutters.
      ?Why are the {room} blinds still down at noon?
      !Pull the shades up in the {room} right away.
      {room} shutters open, please.
      I want to see the garden from the {room}, so blinds up.
      !Roll up the shutters in the {room} for us.
      ?It is time to open the curtains in the {room}.
      My {room} should get some sunshine, up with the shades.
      !Make sure the {room} blinds are up when the guests arrive.
      !See that the shutters are open in the {room} before breakfast.
      !Have the blinds raised in the {room} when you can.
      ?Is there a way to get the {room} shades up from here?
      Blinds up in the {room}, it is morning.
      The plants in the {room} need sun, so open the shutters.
      The kids should wake up, so raise the blinds in the {room}.
      !Draw back the curtains in the {room}, will you?
      ?!Lift the {room} shades all the way to the top.
      Let us have the shades up in the {room} today.
      The blinds in the {room} can be opened again.
      Our {room} feels like a cave with the shutters down, open them.
      {room} blinds are closed, I would like them open.
      ?I would rather look out of the {room} window, so lift the blinds.
      Can the blinds of the {room} go up soon?
      Up with the {room} blinds, the day has begun.
      !Get the shutters up in the {room}, please.
      Do not keep the shades closed in the {room} any longer.
      ?With the blinds open, the {room} would be nicer for dinner.
      Somebody left the {room} shutters down, please raise them.
      The storm has passed, so the {room} shutters may go up.
      !Bring up the window shades in the {room} too.
      Daylight for the {room}, please, blinds all the way up.
      ?In the {room} the shades ought to be open by now.
      May I ask you to open the window shutters in that {room}?
      !Uncover the windows in the {room}, I want the view.
      {room} windows should be free of their shades now.
      Would it be possible to have the {room} curtains opened?
      ?How about raising the blinds in the {room} instead?
      No need for closed shutters in the {room} anymore.
      The nap is over, so the {room} shades can go up.
      I cannot see outside from the {room}, the blinds are in the way.
      !Let daylight into our {room} through the blinds.
      ?!Send the {room} blinds up after breakfast.
      !Keep the blinds open in the {room} this afternoon, if possible.
      Are the blinds in the {room} up yet? They should be.
      The dog likes to look out in the {room}, so open the shades.
      Please, the {room} shutters, all the way up.
      ?We want to watch the snow from the {room}, so pull the blinds up.
      I forgot to open the {room} blinds, can you do it for me?
      Will you see to the shades in the {room}? They belong up now.
      It would be nice if the sun came into the {room} again.
      The {room} blinds have been shut all day, open them up.
      ?Mother wants morning sun in the {room}, so roll the blinds up.
      Shades up for the {room}
      You can open the roller shutters in the {room}, everybody is awake.
      Sunlight would do the {room} good, so lift those shades.
      I am up, so the shutters in my {room} may open.`),
  },
];
