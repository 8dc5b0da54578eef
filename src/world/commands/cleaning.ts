/** Commands about cleaning. */
import { roomOnly, type Command } from "./draws.ts";
import { frames } from "../templates.ts";

export const CLEANING: readonly Command[] = [
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
      The {room} floor is full of dust.
      !Hoover my {room} because guests are coming.
      !Get the dust out of the {room}.
      !Suck up the crumbs in our {room}.
      !Tell the robot to vacuum my {room}.
      !Do the floor of the {room} with the vacuum.
      !Send the cleaning robot to our {room}.
      ?!Get the vacuum cleaner going in the {room}.
      !Let the robot sweep the {room} floor.
      !Use the vacuum on the {room} carpet.
      ?!Rid my {room} of dust with the vacuum.
      !Begin vacuuming in the {room} while we are out.
      !Get our {room} vacuumed before dinner.
      !Make the vacuum robot go through the {room}.
      !Clean up the dust in my {room}.
      !Switch on the vacuum for the {room}.
      !Put the robot to work in our {room}.
      !Remove the dog hair from the {room} floor.
      ?!Let the vacuum do a round in the {room}.
      !Go over the {room} with the vacuum again.
      !Vacuum our {room} so that it is clean tonight.
      {room}, vacuum it.
      Vacuum robot to the {room}.
      ?I spilled flour in the {room}, so vacuum it.
      The kids left crumbs all over the {room}.
      There are crumbs under the table in our {room}.
      The cat hair in my {room} has to go.
      My {room} looks dusty, send the robot.
      ?I dropped cereal in the {room}, get the robot.
      ?We have guests soon, so our {room} must be vacuumed.
      Nobody has vacuumed the {room} this week.
      The carpet in the {room} is dusty.
      Could we have our {room} vacuumed?
      May I have the vacuum in my {room} now?
      Would you mind vacuuming the {room} while I shop?
      How about sending the robot through our {room}?
      ?When did we last vacuum the {room}? Do it now.
      Is my {room} dirty? Then vacuum it.
      Why is the {room} so dusty? Start the vacuum.
      Over in the {room}, the robot should clean the floor.
      Time to vacuum our {room}.
      ?The robot can start with the {room}.
      I am allergic to dust, so vacuum my {room}.
      With all that sand in the {room}, we need the vacuum.
      The floor of our {room} could use the vacuum.
      ?Somebody walked through the {room} with dirty shoes, so start the vacuum.
      !Start the vacuum in the {room}, please.
      !Send the robot to clean our {room} right away.
      ?!Let the vacuum robot run through the {room} this evening.
      !Run the robot vacuum over the {room} floor.
      !Get the dust out of the {room}, will you.
      !Have my {room} vacuumed before the guests arrive.
      !Make sure the floor of the {room} gets vacuumed today.
      ?!See that the {room} is free of crumbs.
      !Hoover the {room} when you can.
      !Clean up the floor in the {room} for us.
      !Put the little cleaning robot to work in the {room}.
      !Sweep that {room} with the robot.
      ?!Give the {room} floor a quick vacuum.
      !Suck up the dog hair in the {room}, please.
      !Do the floor of my {room} again.
      {room}: vacuum the floor
      {room} needs vacuuming, if possible soon.
      ?{room} floor is dirty again, send the robot.
      {room} is full of crumbs, please vacuum.
      {room} vacuumed, please, before we leave.
      {room} next for the vacuum robot
      {room}, vacuum it now while nobody is there.
      ?The {room} is so dusty, can the robot go over it?
      The {room} floor could use a good vacuuming.
      The {room} hasn't been vacuumed in days.
      The robot should clean the {room} instead.
      The kids spilled cereal in the {room}, so vacuum there.
      ?The dog sheds all over our {room}, get the vacuum going.
      The guests are coming, so the {room} has to be vacuumed.
      The carpet of the {room} is covered in lint.
      There is sand all over the {room} floor.
      There are crumbs everywhere in the {room}, please help.
      ?Could we have the {room} vacuumed this afternoon?
      Could the robot take care of the floor in our {room}?
      Would you mind vacuuming the {room} for me?
      Is there a way to get the {room} vacuumed now?
      Can the vacuum do the {room} too?
      ?Can you clean the floors of the {room} while we are out?
      Will you hoover our {room} after lunch is over?
      Why is the {room} floor still so dirty?
      When will the vacuum finally go through that {room}?
      Has the robot done the {room} yet? If not, start it.
      ?I'd love a clean floor in the {room}, please.
      I would rather not step on crumbs in the {room}.
      I want the vacuum to go into the {room} next.
      I need my {room} vacuumed right now, mother is coming.
      I see dust on the floor of the {room}.
      ?I dropped flour in the {room}, send in the vacuum robot.
      It is time to vacuum the {room} again.
      It would be nice if the robot cleaned the {room} soon.
      Let us have the floor of the {room} swept by robot.
      We are going out, so the robot can do our {room}.
      ?We want to play on the floor, so vacuum the {room} first.
      Our {room} looks awful, dust balls everywhere.
      {room} dust is everywhere, have the robot take care of it.
      That {room} carpet wants a vacuuming today.
      Somebody tracked dirt into the {room}, vacuum it up.
      ?Because of all the pet hair, hoover the {room}, please.
      {room} vacuuming, please, right after breakfast
      Robot into the {room}, please, the floor is gritty.
      Vacuuming in the {room} is due, so go ahead.
      Time for the robot vacuum to visit the {room}.
      ?{room} carpet wants the robot vacuum this evening.`),
  },
];
