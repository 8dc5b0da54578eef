/** Commands about temperature. */
import { roomNumber, type Command } from "./draws.ts";
import { frames } from "../templates.ts";

export const CLIMATE: readonly Command[] = [
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
      ?Nobody likes it in the {room} like this, {value} degrees would help.
      !Heat the {room} to {value} degrees, please.
      {room}: {value} degrees
      ?{room} heating on {value} degrees for tonight.
      I would like it at {value} degrees in the {room}.
      Could we have {value} degrees in the {room} this evening?
      Would you mind warming our {room} to {value} degrees?
      It is freezing in the {room}, so make it {value} degrees.
      ?{value} degrees for the {room}, please.
      !Cool the {room} down to {value} degrees right away.
      !Turn the heat in the {room} to {value} degrees, will you?
      The {room} should be {value} degrees warm when we come home.
      The guests are cold, so heat the {room} up to {value} degrees.
      ?Is there a way to get my {room} to {value} degrees?
      Why is it still not {value} degrees in the {room}?
      !Put the thermostat in the {room} on {value} degrees.
      I would rather have {value} degrees in our {room} instead.
      {value} degrees would be pleasant in the {room} now.
      ?!Make sure the {room} stays at {value} degrees through the night.
      !See that it is {value} degrees in the {room} before the kids get up.
      !Have the {room} at {value} degrees by dinner, please.
      We sleep best at {value} degrees, so set the {room} like that.
      The heating in the {room} needs to go to {value} degrees.
      ?Let us keep the {room} at {value} degrees from now on.
      !Bring the temperature in the {room} to {value} degrees when you can.
      It is time to warm up the {room} to {value} degrees.
      Can the {room} thermostat be moved to {value} degrees from here?
      My feet are cold, {value} degrees in the {room} would help.
      ?The {room} is too hot for us, {value} degrees is plenty.
      With {value} degrees the {room} would be just right for mother.
      {room} temperature {value} degrees, please.
      Our {room} could use {value} degrees today.
      !Adjust the heating to {value} degrees in the {room}, if possible.
      ?!Give us {value} degrees in the {room} for the afternoon.
      In the {room} we want {value} degrees, not more.
      Nobody can work in the {room} unless it is {value} degrees.
      !Get the {room} down to {value} degrees before bedtime.
      I want the heat at {value} degrees in that {room} again.
      ?May I ask for {value} degrees in the {room} tonight?
      How about {value} degrees in the {room} too?
      The air in the {room} should be cooled to {value} degrees soon.
      A temperature of {value} degrees is what the {room} needs.
      !Let the {room} warm to {value} degrees while we eat.
      ?!Change the {room} temperature to {value} degrees, please.
      The thermostat of the {room} belongs at {value} degrees in winter.
      Thermostat {room}, {value} degrees
      Would it be possible to have the {room} heated to {value} degrees?
      At {value} degrees I would feel fine in the {room}.
      ?I am shivering in the {room}, so {value} degrees, please.
      The baby sleeps in the {room}, so keep it at {value} degrees.
      !Hold the {room} at {value} degrees while we are away.
      To save money, {value} degrees in the {room} must be enough.
      We are sweating in the {room}, so cool it to {value} degrees.
      ?What about setting the heater to {value} degrees for our {room}?
      !Turn up the warmth in the {room} until it is {value} degrees.
      {value} degrees, that is how warm I want the {room}.
      Please, only {value} degrees in my {room} at night.
      The dog is old and likes {value} degrees in the {room}.
      ?It would be nice with {value} degrees in the {room} this morning.
      !Run the air conditioning in the {room} at {value} degrees.
      Will you regulate the {room} to {value} degrees for me?
      The {room} feels chilly, I want {value} degrees there.
      Heating to {value} degrees in the {room} before we arrive, please.
      ?The climate in the {room} ought to be {value} degrees, right?`),
  },
];
