/** Commands about doors. */
import { roomFlag, type Command } from "./draws.ts";
import { frames } from "../templates.ts";

export const LOCKS: readonly Command[] = [
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
      The door of my {room} needs to be locked.
      !Bolt the door of the {room} before we leave.
      !Make sure nobody gets into the {room}, lock it up.
      ?!Secure the {room} for the night.
      {room}: lock the door
      {room} door locked, please.
      {room} has to be locked before the kids get home.
      The {room} is still unlocked, please change that.
      ?The {room} door should be locked by now, so do that.
      Could we have the {room} locked this evening?
      Would you mind locking up the {room} for us?
      Is there a way to lock the {room} from here?
      Why is our {room} door still not locked?
      ?I forgot to lock the {room}, can you do it?
      I would feel safer with the {room} locked.
      I would rather have that {room} door bolted tonight.
      I'd love the {room} under lock and key while we travel.
      It is time to lock up in the {room}.
      ?!Turn the key in the {room} door.
      !See that our {room} is locked, will you.
      !Have the door to the {room} locked right away.
      !Let the lock of the {room} snap shut now.
      We are leaving, so lock the {room} behind us.
      ?The guests should not go into the {room}, so lock it.
      Because of the burglars I want my {room} locked up tight.
      My {room} needs locking, if possible right now.
      Our {room} must not stay unlocked overnight.
      No one should be able to enter the {room}, so bolt its door.
      ?Nobody locked the {room} today, so you do it.
      Don't leave the {room} unlocked again.
      Let us keep the {room} locked from now on.
      !Put the lock on at the {room}, we are going out.
      !Engage the deadbolt for the {room} when you can.
      ?!Shut the lock on that {room} door, the dog keeps opening it.
      {room} still open to everyone, so lock that door.
      Did anyone lock the {room}? If not, please do.
      !Lock {room} after I go out, will you.
      Lock on the {room} closed, please.
      ?Deadbolt on, {room}
      {room} lock on, everyone is out.
      I want to be sure the {room} gets locked tonight.
      {room}, lock it at once.
      {room} left unlocked again, please lock it.
      ?Somebody left the {room} unlocked, fix that for me.
      Anyone can walk into the {room}, bolt the door, please.
      With the kids around, the {room} is better kept locked.
      !Keep strangers out of the {room} by locking its door.
      !Check the lock in the {room} and close it if needed.
      ?!Go ahead and lock {room} for me.
      !Lock up the {room}, we will be away all day.
      !Set the lock at the {room} to locked.
      The lock of the {room}, close it right now.
      The door in the {room} isn't bolted yet, take care of it.
      ?That {room} door wants locking before bedtime.
      This {room} ought to be locked while the workers are here.
      {room} locked up, and soon, please.
      {room} needs its bolt thrown, we are off.
      Before you do anything else, lock our {room}.
      ?For safety, let the {room} be locked from the inside.
      How about locking the {room} now that it is dark?
      We all go to bed now, bolt up the {room}, please.
      I am already in the car and the {room} isn't locked.
      The safest thing is a locked {room}, so see to it.
      ?Key turned in the {room}, please, nobody is home.`),
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
      The guests are waiting, so unlock my {room} for them.
      !Unbolt the door of the {room} for the guests.
      !Undo the lock on our {room}, please.
      ?!Release the {room} lock, my hands are full.
      {room}: unlock the door
      {room} unlocked, please, I am outside.
      {room} door needs to be unlocked for the plumber.
      The {room} is locked and I can't get in.
      ?The {room} should be unlocked when the kids come home.
      Could we have the {room} unlocked this morning?
      Would you mind unlocking my {room} for a moment?
      Is there a way to unlock the {room} without a key?
      Why is the {room} still locked? We need to get in.
      ?I am standing at the {room} without my keys.
      I'd love to have the {room} unlocked again.
      I would rather not have that {room} locked during the day.
      It is time to unlock the {room}, the helpers are here.
      !Let me into the {room}, the door is locked.
      ?!Let the guests into the locked {room}, will you.
      !Open the lock of the {room} right away.
      !Have our {room} door unlocked before mother arrives.
      !Make sure the {room} is unlocked when I get there.
      !See that the door to the {room} isn't locked anymore.
      ?!Take the lock off the {room} now.
      !Slide back the bolt on the {room} door.
      !Draw the bolt of the {room}, somebody is knocking.
      !Free the {room} door from its lock, please.
      !Set the lock in the {room} to unlocked.
      ?The cleaning lady is waiting, so unlock the {room} for her.
      We are back, so the {room} can be unlocked again.
      Somebody locked the {room} by mistake, undo that.
      Someone is locked in the {room}, get them out.
      My keys are gone, so unlock {room} for me.
      ?My {room} is locked, can you change that?
      Our {room} doesn't have to stay locked any longer.
      Don't keep the {room} locked, we want to go in.
      Let us leave the {room} unlocked this evening.
      !Unlock {room} today, please, we have visitors.
      ?Can you get this {room} unlocked, if possible soon?
      {room} can be unbolted for the day, please.
      Will you unlock our {room} so the dog gets out?
      Who locked the {room}? Unlock it, please.
      May the kids have the {room} unlocked now?
      ?Lock off at the {room}
      Lock open, {room}, please.
      Unlocked {room}, please, the parcel man is here.
      I want into the {room}, but it is locked.
      {room} has to be unlocked, the delivery is coming.
      ?{room} locked me out, please help.
      I can't open the {room}, its bolt is still on.
      Because a guest is coming, I want the {room} unlocked.
      The bolt in the {room} should be pulled back now.
      The door of our {room} can be unlocked, nobody is sleeping.
      ?The lock on the {room}, open it for us.
      That {room} door can lose its lock for today.
      Without a key I can't enter the {room}, help me.
      For the repairman the {room} must be unlocked right now.
      {room} is locked for no reason, so unbolt it.
      ?{room} deadbolt off, we are at the door.
      {room}, unlock it when you can.
      How about unlocking the {room} for the neighbors?
      Unlocking the {room} would help, I forgot my key.
      We are locked out of the {room}, please help.
      ?Father can't get through the locked door into the {room}.`),
  },
];
