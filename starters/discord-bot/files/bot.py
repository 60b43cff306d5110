import os
import time

import discord
from discord import app_commands

TOKEN = os.environ.get("DISCORD_TOKEN")

if not TOKEN:
    print("Set the variable DISCORD_TOKEN to the token of your Discord application.", flush=True)
    while True:
        time.sleep(3600)

client = discord.Client(intents=discord.Intents.default())
commands = app_commands.CommandTree(client)


@commands.command(description="Ask whether the bot is there")
async def ping(interaction):
    await interaction.response.send_message("pong")


@client.event
async def on_ready():
    await commands.sync()
    print(f"connected as {client.user}", flush=True)


client.run(TOKEN)
