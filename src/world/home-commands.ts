/** Commands to the house: heating, doors, the robot that cleans. */
import { roomFlag, roomNumber, roomOnly, type Command } from "./command-draws.ts";
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
      ?I like the {room} at {value} degrees.
      !Dial the thermostat in our {room} to {value} degrees.
      !Adjust the {room} thermostat to {value}.
      !Let the {room} have {value} degrees tonight.
      !Hold {value} degrees in the {room} while I work.
      !Run the heating at {value} degrees in our {room}.
      !Aim for {value} degrees inside the {room}.
      !Heat or cool my {room} until it reaches {value} degrees.
      !Move the thermostat for the {room} to {value}.
      !See that our {room} gets {value} degrees.
      !Bring the temperature of my {room} to exactly {value} degrees.
      !Fix the {room} temperature at {value} degrees.
      !Program {value} degrees for the {room}.
      !Let the thermostat in the {room} show {value}.
      !Leave the heating on {value} degrees throughout the {room}.
      !Go for {value} degrees in my {room} because I feel uncomfortable.
      !Choose {value} degrees for our {room}.
      !Regulate the {room} so that it stays at {value} degrees.
      !Have my {room} at {value} degrees before our guests arrive.
      !Get {value} degrees going in the {room} for the baby.
      !Switch the {room} over to {value} degrees.
      I am freezing in the {room}, so go to {value} degrees.
      ?The baby sleeps best at {value} degrees, so set our {room} to that.
      My feet are cold, so the {room} needs {value} degrees.
      {room} thermostat, {value} degrees.
      {room} heating on {value}.
      ?{value} degrees for my {room} would be lovely.
      {value} is what the {room} thermostat should say.
      Thermostat in our {room}: {value}.
      ?Temperature for the {room}, {value} degrees.
      ?Could we have {value} degrees in our {room}?
      May I get {value} degrees in the {room} now?
      How about {value} degrees for the {room}?
      Why not take our {room} to {value} degrees?
      Would it be possible to have my {room} at {value} degrees?
      Is the {room} at {value} degrees? If not, change it.
      Over in the {room}, {value} degrees would be right.
      ?We are sitting in the {room} and would like {value} degrees.
      Guests are coming, so get our {room} to {value}.
      ?I am sweating in the {room}, so bring it down to {value}.
      ?The thermostat in my {room} belongs at {value} degrees.
      With {value} degrees, the {room} would be just right.
      The {room} feels wrong, {value} degrees would be better.
      For the plants, our {room} must stay at {value} degrees.
      ?I work better when my {room} is at {value} degrees.
      ?Nobody likes it in the {room} like this, {value} degrees would help.`),
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
      The {room} is still open, lock it.
      !Bolt the {room} door.
      !Secure the {room} before I go to bed.
      !Secure the door of my {room}.
      !Shut and lock our {room} because it is late.
      !Turn the key in the {room} door so it is locked.
      !Get my {room} locked before we drive off.
      !Check the {room} and lock it if it is open.
      !See that our {room} door is locked.
      !Lock my {room} behind me.
      !Lock our {room} again.
      ?!Keep strangers out of the {room} by locking it.
      ?!Let nobody into my {room} and lock its door.
      !Activate the lock of our {room}.
      ?!Go ahead and lock my {room}.
      !Lock the entrance to the {room}.
      !Leave the {room} locked tonight.
      ?!Close the lock on our {room} door.
      !Lock everyone out of the {room}.
      ?!Lock the {room} so that the kids stay out.
      {room} door, locked.
      {room}, lock up.
      ?Lock on the {room} door: closed.
      Door to our {room}: lock it.
      The dog must not get into the {room}, so lock it.
      I am going to sleep, so lock my {room}.
      We are off to work, so our {room} needs locking.
      The kids keep running into the {room}, lock the door.
      Someone left our {room} unlocked, lock it again.
      The {room} is not locked yet, change that.
      I do not want anyone in my {room}, lock it.
      I feel safer with our {room} door locked.
      It is night, so the {room} door gets locked.
      ?Could we have the {room} locked?
      May I have my {room} locked for the night?
      Why is the {room} not locked? Lock it.
      Would you mind locking the {room} for tonight?
      How about locking up our {room}?
      ?Is my {room} unlocked? Then lock it up.
      My bike is in the {room}, so keep the door locked.
      At night our {room} must stay locked.
      The lock of the {room} should be closed.
      Time to lock up the {room}.
      ?Our {room} is better off locked.
      The door of my {room} needs to be locked.`),
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
      The {room} is still locked, unlock it.
      !Unbolt the {room} door.
      ?!Undo the lock on my {room} door.
      !Release the lock of the {room}.
      !Open the lock on our {room} door.
      !Unlock our {room} because my hands are full.
      !Unlock the {room} so the cleaner can get in.
      !Unlock my {room} before the guests arrive.
      !Unlock the entrance of the {room}.
      !Get our {room} unlocked for the kids.
      !Let the plumber into my {room}.
      !Let us into our {room} again.
      !Unlock the {room} for my sister.
      !Go ahead and unlock our {room}.
      ?!Turn the key so that the {room} is unlocked.
      !Stop keeping the {room} locked.
      !Check my {room} door and unlock it if it is locked.
      !Let me out of the {room}.
      !Leave our {room} unlocked for the delivery.
      ?!Set the lock in the {room} to open.
      {room} door, unlocked.
      {room}, unlock it.
      Lock on the {room} door: open.
      ?Door to my {room}: unlock it.
      My key for the {room} is gone, unlock it.
      ?I am standing outside the {room}, so let me in.
      We are locked out of our {room}.
      I got locked in the {room}, open the lock.
      Grandma wants to go into the {room}, unlock the door.
      The cat is stuck in the {room}, so unlock it.
      Someone locked my {room}, undo that.
      The {room} is not unlocked yet, change that.
      I do not want my {room} locked anymore.
      Nobody can get into our {room}, so unlock it.
      ?The {room} does not need to be locked any longer.
      Could we have our {room} unlocked?
      ?May I have the {room} door unlocked now?
      Why is my {room} still locked? Unlock it.
      Would you mind unlocking the {room} for me?
      How about unlocking our {room}?
      ?Does the {room} have to be locked? Unlock it.
      The lock of the {room} should be open.
      In the daytime our {room} should stay unlocked.
      ?Time to unlock the {room}.
      The guests are waiting, so unlock my {room} for them.`),
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
      ?Somebody walked through the {room} with dirty shoes, so start the vacuum.`),
  },
];
